"""Weights that a person brings along: four forms give the same network, and nothing in a file is believed or run."""

import os
import struct

import numpy as np
import pytest
import torch
from component_settings import with_values

from ser.data import pretrained, tensorflow_checkpoint
from ser.errors import BadInput
from ser.models import vggish

WIDTH, SETTINGS, FRAMES = vggish.example()
THEIRS = ("conv1", "conv2", "conv3/conv3_1", "conv3/conv3_2", "conv4/conv4_1", "conv4/conv4_2")
DENSE = ("fc1/fc1_1", "fc1/fc1_2", "fc2")
PORTS = [("features", "embeddings"), ("features", "fc"), ("features_network", "embedding_network")]


# --- A writer of both of TensorFlow's formats, from their public description and not from ours.


def slow_masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def shape_proto(shape):
    return b"".join(field(2, field(1, n)) for n in shape)


def block(entries, every=2, kind=0):
    out, restarts, before = bytearray(), [], b""
    for i, (key, value) in enumerate(entries):
        same = [n for n in range(min(len(key), len(before)) + 1) if key[:n] == before[:n]]
        shared = same[-1] if i % every else 0
        if i % every == 0:
            restarts.append(len(out))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    out += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
    out.append(kind)
    return bytes(out + struct.pack("<I", slow_masked_crc(out)))


def table(entries, per_block=3, kind=0):
    entries, out, index = sorted(entries), bytearray(), []
    for start in range(0, len(entries), per_block):
        some = block(entries[start : start + per_block], kind=kind)
        index.append((entries[start : start + per_block][-1][0] + b"~", varint(len(out)) + varint(len(some) - 5)))
        out += some
    handles = b""
    for one in (block([]), block(index, every=1)):
        handles += varint(len(out)) + varint(len(one) - 5)
        out += one
    return bytes(out + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"))


def write_version_1(path, variables, kind=0, data_type=1):
    meta = b"".join(
        field(1, field(1, name.encode()) + field(2, shape_proto(v.shape)) + field(3, data_type) + field(4, b""))
        for name, v in variables.items()
    )
    entries = [(b"", field(1, meta + field(2, field(1, 12))))]
    for name, v in variables.items():
        saved = field(1, name.encode()) + field(2, b"") + field(3, field(5, v.astype("<f4").tobytes()))
        entries.append((b"\0" + name.encode() + b"\0\1\1", field(2, saved)))
    path.write_bytes(table(entries, kind=kind))
    return path


def write_version_2(path, variables):
    entries, data = [(b"", field(1, 1) + field(3, field(1, 1)))], bytearray()
    for name, v in sorted(variables.items()):
        content = v.astype("<f4").tobytes()
        place = (field(4, len(data)) if data else b"") + field(5, len(content))
        crc = varint(6 << 3 | 5) + struct.pack("<I", slow_masked_crc(content))
        entries.append((name.encode(), field(1, 1) + field(2, shape_proto(v.shape)) + place + crc))
        data += content
    path.with_name(path.name + ".index").write_bytes(table(entries))
    path.with_name(path.name + ".data-00000-of-00001").write_bytes(data)
    return path


# --- A small VGGish in TensorFlow's shapes, and in the ports'.


@pytest.fixture
def variables():
    rng, found = np.random.default_rng(0), {}
    channels = (1, *SETTINGS.filters)
    for name, a, b in zip(THEIRS, channels, channels[1:], strict=False):
        found[f"vggish/{name}/weights"] = rng.normal(size=(3, 3, a, b), scale=0.5).astype(np.float32)
        found[f"vggish/{name}/biases"] = rng.normal(size=b, scale=0.1).astype(np.float32)
    flat = SETTINGS.filters[-1] * SETTINGS.segment * WIDTH // 256
    units = (flat, *SETTINGS.fc, SETTINGS.embedding)
    for name, a, b in zip(DENSE, units, units[1:], strict=False):
        found[f"vggish/{name}/weights"] = rng.normal(size=(a, b), scale=0.5).astype(np.float32)
        found[f"vggish/{name}/biases"] = rng.normal(size=b, scale=0.1).astype(np.float32)
    return found


def as_port(variables, front, back):
    state = {}
    for layers, root, places in ((THEIRS, front, (0, 3, 6, 8, 11, 13)), (DENSE, back, (0, 2, 4))):
        for name, place in zip(layers, places, strict=True):
            weight = torch.from_numpy(variables[f"vggish/{name}/weights"])
            state[f"{root}.{place}.weight"] = (weight.permute(3, 2, 0, 1) if weight.dim() == 4 else weight.T).clone()
            state[f"{root}.{place}.bias"] = torch.from_numpy(variables[f"vggish/{name}/biases"])
    return state


def shapes():
    block = vggish.build(WIDTH, SETTINGS)
    return {name: tuple(p.shape) for name, p in block.vggish.named_parameters()}


def write(form, folder, variables):
    path = folder / "vggish_model.ckpt"
    if form == "v1":
        return write_version_1(path, variables)
    if form == "v2":
        return write_version_2(path, variables)
    torch.save(as_port(variables, *PORTS[form]), folder / "vggish.pth")
    return folder / "vggish.pth"


def in_numpy(variables, patches):
    """TensorFlow's computation: [n, frames, bands] -> [n, embedding], channels last throughout."""
    x = patches[..., None].astype(np.float64)
    for name in THEIRS:
        w, (n, height, width, _) = variables[f"vggish/{name}/weights"].astype(np.float64), x.shape
        around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        taps = [(i, j) for i in range(3) for j in range(3)]
        x = sum(around[:, i : i + height, j : j + width] @ w[i, j] for i, j in taps)
        x = np.maximum(x + variables[f"vggish/{name}/biases"], 0)
        if not name.endswith("_1"):
            x = x.reshape(n, height // 2, 2, width // 2, 2, -1).max((2, 4))
    x = x.reshape(len(x), -1)
    for name in DENSE:
        x = np.maximum(x @ variables[f"vggish/{name}/weights"] + variables[f"vggish/{name}/biases"], 0)
    return x


@pytest.mark.parametrize("form", ["v1", "v2", 0, 1, 2])
def test_every_form_gives_the_network_that_tensorflow_would_compute(tmp_path, variables, form):
    path = write(form, tmp_path, variables)
    block = vggish.build(WIDTH, with_values(SETTINGS, weights=pretrained.fingerprint(path)))
    block.start_from(path)
    frames = np.random.default_rng(1).normal(size=(FRAMES, WIDTH)).astype(np.float32)
    expected = in_numpy(variables, frames.reshape(2, SETTINGS.segment, WIDTH))
    with torch.no_grad():
        found = block.vggish(torch.from_numpy(frames).reshape(2, 1, SETTINGS.segment, WIDTH)).numpy()
    assert (expected > 0).any()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.max())
    assert block(torch.from_numpy(frames), torch.tensor([FRAMES])).shape == (2, SETTINGS.units)


@pytest.mark.parametrize("suffix", ["", ".index", ".data-00000-of-00001"])
def test_either_file_of_a_checkpoint_in_two_names_both(tmp_path, variables, suffix):
    path = write("v2", tmp_path, variables)
    named = path.with_name(path.name + suffix)
    assert set(pretrained.load(named, shapes())) == set(shapes())
    assert pretrained.fingerprint(named) == pretrained.fingerprint(path)


def test_variables_are_read_as_they_were_written_of_any_rank(tmp_path):
    rng = np.random.default_rng(0)
    made = {
        f"a/{'b' * i}/{i}": rng.normal(size=shape).astype(np.float32) for i, shape in enumerate([(), (3,), (2, 300)])
    }
    for writer in (write_version_1, write_version_2):
        found = tensorflow_checkpoint.read(writer(tmp_path / writer.__name__, made))
        assert found.keys() == made.keys()
        assert all(np.array_equal(found[k], made[k]) and found[k].shape == made[k].shape for k in made)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 63, 255, 256, 1000, 4097])
def test_the_checksum_is_castagnolis(size, monkeypatch):
    data = np.random.default_rng(size).bytes(size)
    assert tensorflow_checkpoint.masked_crc32c(data) == slow_masked_crc(data)
    monkeypatch.setattr(tensorflow_checkpoint, "_PIECE", 100)
    assert tensorflow_checkpoint.masked_crc32c(data) == slow_masked_crc(data)


def test_the_checksum_has_the_values_of_rfc_3720():
    known = {bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E}
    assert {data: tensorflow_checkpoint.crc32c(data) for data in known} == known


def test_a_fingerprint_is_of_the_bytes_and_of_both_files(tmp_path, variables):
    path = write("v2", tmp_path, variables)
    first = pretrained.fingerprint(path)
    assert first.startswith("file:")
    assert len(first) == 17
    for part in (".index", ".data-00000-of-00001"):
        file = path.with_name(path.name + part)
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert pretrained.fingerprint(path) != first
        file.write_bytes(content)
    assert pretrained.fingerprint(path) == first


def test_another_file_than_the_one_asked_for_is_refused(tmp_path, variables):
    block = vggish.build(WIDTH, with_values(SETTINGS, weights="file:000000000000"))
    with pytest.raises(BadInput, match="file:000000000000"):
        block.start_from(write("v1", tmp_path, variables))


@pytest.mark.parametrize("form", ["v1", "v2", 0, 1, 2])
def test_missing_and_unknown_weights_are_named(tmp_path, variables, form):
    gone, new = "vggish/fc2/biases", "vggish/fc3/weights"
    if isinstance(form, int):
        state = as_port(variables, *PORTS[form])
        gone, new = f"{PORTS[form][1]}.4.bias", f"{PORTS[form][1]}.6.weight"
        state[new] = state.pop(gone)
        path = tmp_path / "x.pt"
        torch.save(state, path)
    else:
        path = write(form, tmp_path, {new if name == gone else name: v for name, v in variables.items()})
    with pytest.raises(BadInput, match=f"no {gone}; unknown {new}") as told:
        pretrained.load(path, shapes())
    assert told.value.place == str(path)


@pytest.mark.parametrize("form", ["v1", "v2"])
def test_a_weight_of_another_shape_is_named_with_both(tmp_path, variables, form):
    variables["vggish/conv2/weights"] = np.zeros((3, 3, 3, 7), np.float32)
    with pytest.raises(BadInput, match=r"conv2/weights of shape \(7, 3, 3, 3\).*allowed: \(4, 3, 3, 3\)"):
        pretrained.load(write(form, tmp_path, variables), shapes())


def test_weights_that_are_not_numbers_are_refused(tmp_path, variables):
    variables["vggish/fc2/biases"][0] = np.nan
    with pytest.raises(BadInput, match="vggish/fc2/biases of NaN"):
        pretrained.load(write("v1", tmp_path, variables), shapes())


def test_half_precision_is_refused(tmp_path, variables):
    torch.save({k: v.half() for k, v in as_port(variables, *PORTS[0]).items()}, tmp_path / "x.pth")
    with pytest.raises(BadInput, match=r"float16.*allowed: finite torch.float32"):
        pretrained.load(tmp_path / "x.pth", shapes())


def test_what_torchvggish_keeps_for_its_post_processing_is_left_out(tmp_path, variables):
    state = as_port(variables, *PORTS[0]) | {"pproc.pca_eigen_vectors": torch.eye(7), "pproc.pca_means": torch.ones(7)}
    torch.save(state, tmp_path / "x.pth")
    assert set(pretrained.load(tmp_path / "x.pth", shapes())) == set(shapes())


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("old", [False, True])
def test_a_file_that_asks_for_code_to_be_run_is_refused_and_nothing_is_run(tmp_path, variables, old):
    state = as_port(variables, *PORTS[0]) | {"features.99.weight": Malicious(tmp_path / "ran")}
    torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=not old)
    with pytest.raises(BadInput, match="asks for code"):
        pretrained.load(tmp_path / "x.pth", shapes())
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "x.pth", weights_only=False)  # the file is dangerous indeed
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"text", bytes(100), b"PK\x03\x04" + bytes(60)])
def test_what_is_none_of_the_forms_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BadInput, match="allowed: a TensorFlow checkpoint, or a state dictionary"):
        pretrained.load(tmp_path / "x", shapes())


@pytest.mark.parametrize("thing", [[1, 2], {"a": 1}, {"state_dict": {"a": torch.ones(1)}}, {1: torch.ones(1)}])
def test_a_torch_file_of_something_else_is_refused(tmp_path, thing):
    torch.save(thing, tmp_path / "x.pth")
    with pytest.raises(BadInput, match="not of tensors by name alone"):
        pretrained.load(tmp_path / "x.pth", shapes())


@pytest.mark.parametrize("name", ["x.ckpt", "x.ckpt.index", "x.ckpt.data-00000-of-00001"])
def test_a_file_that_is_not_there_is_named_with_what_was_looked_for(tmp_path, name):
    for ask in (pretrained.fingerprint, pretrained.load):
        with pytest.raises(BadInput, match=r"no .*x.ckpt.index and no .*x.ckpt.data-00000-of-00001"):
            ask(tmp_path / name)


def test_a_compressed_checkpoint_says_so(tmp_path, variables):
    with pytest.raises(BadInput, match="compressed"):
        pretrained.load(write_version_1(tmp_path / "x.ckpt", variables, kind=1), shapes())


def test_a_checkpoint_of_other_numbers_says_so(tmp_path, variables):
    with pytest.raises(BadInput, match="of type 2, not float32"):
        pretrained.load(write_version_1(tmp_path / "x.ckpt", variables, data_type=2), shapes())


@pytest.mark.parametrize("form", ["v1", "v2"])
def test_no_cut_goes_unseen_and_no_flipped_bit_changes_a_value(tmp_path, form):
    made = {"vggish/a": np.ones((2, 3), np.float32), "vggish/b": np.ones(1, np.float32)}
    path = write_version_1(tmp_path / "x", made) if form == "v1" else write_version_2(tmp_path / "x", made)
    harmless, allowed = 0, set()
    for file in tensorflow_checkpoint.files(path):
        content = file.read_bytes()
        cut = [content[:n] for n in range(0, len(content), 7)]
        flipped = [content[:i] + bytes([byte ^ 4]) + content[i + 1 :] for i, byte in enumerate(content)]
        for broken in cut + flipped:
            file.write_bytes(broken)
            try:
                found = tensorflow_checkpoint.read(path)
            except BadInput as told:
                allowed.add(told.allowed)
            else:
                harmless += 1
                assert len(broken) == len(content)
                assert found.keys() == made.keys()
                assert all(np.array_equal(found[k], made[k]) for k in made)
        file.write_bytes(content)
    assert allowed == {"a TensorFlow checkpoint, whole, uncompressed, of float32 variables"}
    assert harmless < 60  # in the footer's padding and in the one block that is not needed
