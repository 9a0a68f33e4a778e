"""VGG: the sizes of the published networks, its layers in plain torch, weights as torchvision saves them, refusals."""

import bright_bands
import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.data import pretrained
from ser.errors import BadInput
from ser.models import vgg

WIDTH, SMALL, FRAMES = vgg.example()
PAPER = {"frames": 224, "filters": (64, 128, 256, 512, 512), "layers": (2, 2, 3, 3, 3), "norm": False, "grid": 7}
PAPER |= {"dense": (4096, 4096), "dropout": 0.5, "init": "he", "weights": "random", "weights_for": "all"}
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def as_torchvision(norm=False, layers=SMALL.layers, filters=SMALL.filters, dense=SMALL.dense, grid=2):
    """The small network as torchvision would build it, for colour images and seven classes."""
    torch.manual_seed(1)
    features, channels = [], 3
    for wide, count in zip(filters, layers, strict=True):
        for _ in range(count):
            features += [nn.Conv2d(channels, wide, 3, padding=1), *([nn.BatchNorm2d(wide)] if norm else []), nn.ReLU()]
            channels = wide
        features.append(nn.MaxPool2d(2))
    classifier, units = [], channels * grid * grid
    for wide in dense:
        classifier += [nn.Linear(units, wide), nn.ReLU(), nn.Dropout()]
        units = wide
    modules = {"features": nn.Sequential(*features), "avgpool": nn.AdaptiveAvgPool2d(grid)}
    net = nn.ModuleDict(modules | {"classifier": nn.Sequential(*classifier, nn.Linear(units, 7))}).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return net


def answer(net, grey, classifier=None):
    """What torchvision's network gives before its last layer, for images [n, height, width] in all three colours."""
    x = net["avgpool"](net["features"](grey[:, None].expand(-1, 3, -1, -1)))
    return (classifier or net["classifier"][:-1])(x.flatten(1))


def printed(frames):
    """[n · frames, bands] -> [n, bands, frames], the last band on top."""
    return torch.stack([u.T.flip(0) for u in frames.split(FRAMES)])


def saved(state, tmp_path):
    path = tmp_path / "vgg.pth"
    torch.save(state, path)
    return path, pretrained.fingerprint(path)


def started(state, tmp_path, **changed):
    path, fingerprint = saved(state, tmp_path)
    block = vgg.build(WIDTH, with_values(SMALL, **{"weights": fingerprint} | changed))
    block.start_from(path)
    return block.eval()


@pytest.mark.parametrize(
    ("depth", "norm", "published"),
    [
        (11, False, 132_863_336),
        (13, False, 133_047_848),
        (16, False, 138_357_544),
        (19, False, 143_667_240),
        (11, True, 132_868_840),
        (16, True, 138_365_992),
        (19, True, 143_678_248),
    ],
)
def test_networks_have_the_published_sizes_but_for_colour_and_the_head(depth, norm, published):
    with torch.device("meta"):
        block = vgg.build(224, stated(vgg, **PAPER | {"layers": DEPTHS[depth], "norm": norm}))
    ours = sum(p.numel() for p in block.parameters())
    assert ours == published - 2 * 64 * 9 - (4096 * 1000 + 1000)
    assert len(block.convolutions) == depth - 3
    assert block.outputs == 4096


@pytest.mark.parametrize("grid", [0, 1, 2, 5])
@pytest.mark.parametrize("norm", [True, False])
def test_it_is_torchvisions_network_on_the_printed_image(norm, grid, tmp_path):
    theirs = as_torchvision(norm, grid=grid or 2)
    if grid == 0:
        theirs["avgpool"], theirs["classifier"][0] = nn.Identity(), nn.Linear(5 * 2 * 3, SMALL.dense[0])
    frames = torch.randn(3 * FRAMES, WIDTH)
    block = started(theirs.state_dict(), tmp_path, norm=norm, grid=grid)
    found = block(frames, torch.full((3,), FRAMES))
    torch.testing.assert_close(found, answer(theirs, printed(frames)), rtol=1e-4, atol=1e-5)


def test_normalisation_in_training_is_torchs(tmp_path):
    theirs = as_torchvision(norm=True)
    frames = torch.randn(3 * FRAMES, WIDTH)
    block = started(theirs.state_dict(), tmp_path, norm=True, dropout=0.0)
    theirs["features"].train()
    found = block.train()(frames, torch.full((3,), FRAMES))
    torch.testing.assert_close(found, answer(theirs, printed(frames)), rtol=1e-3, atol=1e-4)


def test_the_convolutions_alone_can_come_from_a_file_whose_dense_layers_are_others(tmp_path):
    theirs = as_torchvision(dense=(30, 30, 30))
    frames = torch.randn(2 * FRAMES, WIDTH)
    block = started(theirs.state_dict(), tmp_path, weights_for="convolutions")
    expected = answer(theirs, printed(frames), block.dense)
    torch.testing.assert_close(block(frames, torch.full((2,), FRAMES)), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(BadInput, match=r"unknown classifier\.9\.bias"):
        started(theirs.state_dict(), tmp_path)


def test_files_may_lack_the_head_and_the_counts_of_batches(tmp_path):
    state = as_torchvision(norm=True).state_dict()
    bare = {k: v for k, v in state.items() if not k.startswith("classifier.6") and not k.endswith("tracked")}
    whole, without = (started(s, tmp_path, norm=True).state_dict() for s in (state, bare))
    assert whole.keys() == without.keys()
    assert all(torch.equal(whole[k], without[k]) for k in whole)


def test_a_weight_of_another_shape_is_named_with_both(tmp_path):
    state = as_torchvision(dense=(16, 13)).state_dict()
    with pytest.raises(BadInput, match=r"classifier\.3\.weight of shape \(13, 16\); allowed: \(12, 16\)"):
        started(state, tmp_path)
    state = as_torchvision().state_dict()
    state["features.0.weight"] = state["features.0.weight"][:, :1]
    with pytest.raises(BadInput, match=r"features\.0\.weight of shape \(4, 1, 3, 3\); allowed: \(4, 3, 3, 3\)"):
        started(state, tmp_path)


def test_another_depth_is_told_by_what_is_missing_and_unknown(tmp_path):
    with pytest.raises(BadInput, match=r"unknown features\.7\.bias, features\.7\.weight") as told:
        started(as_torchvision(layers=(1, 3)).state_dict(), tmp_path)
    assert told.value.place == str(tmp_path / "vgg.pth")
    with pytest.raises(BadInput, match=r"no .*features\.1\.running_mean"):
        started(as_torchvision().state_dict(), tmp_path, norm=True)


@pytest.mark.parametrize(("value", "said"), [(float("nan"), "NaN or infinite"), (None, r"torch\.float16")])
def test_weights_that_are_no_numbers_or_half_as_precise_are_refused(value, said, tmp_path):
    state = as_torchvision().state_dict()
    state["features.3.bias"] = state["features.3.bias"].half() if value is None else torch.full((5,), value)
    with pytest.raises(BadInput, match=f"features.3.bias of {said}"):
        started(state, tmp_path)


def test_another_file_than_the_one_asked_for_is_refused_and_nothing_runs_until_it_is_there(tmp_path):
    path, _ = saved(as_torchvision().state_dict(), tmp_path)
    block = vgg.build(WIDTH, with_values(SMALL, weights="file:0123456789ab"))
    with pytest.raises(BadInput, match="file:0123456789ab"):
        block.start_from(path)
    with pytest.raises(AssertionError, match="file:0123456789ab"):
        block(torch.randn(FRAMES, WIDTH), torch.tensor([FRAMES]))


def test_a_file_that_holds_code_is_refused(tmp_path):
    path, fingerprint = saved(as_torchvision(), tmp_path)  # a module, not its tensors
    block = vgg.build(WIDTH, with_values(SMALL, weights=fingerprint))
    with pytest.raises(BadInput, match="asks for code to be run"):
        block.start_from(path)


@pytest.mark.parametrize("norm", [True, False])
def test_it_learns_which_band_is_bright(norm):
    assert bright_bands.share_told_apart(vgg, 60, 3e-3, norm=norm, dropout=0.2) > 0.9


def test_the_signal_does_not_fade_on_its_way_through_sixteen_layers():
    torch.manual_seed(0)
    deep = with_values(SMALL, frames=64, filters=(8, 8, 16, 16, 16), layers=DEPTHS[16], dense=(64, 64))
    block = vgg.build(64, deep).eval()
    out = block(torch.randn(4 * 64, 64), torch.full((4,), 64))
    assert 0.05 < out.std() < 10


def test_an_utterance_of_another_length_is_refused():
    with pytest.raises(BadInput, match=f"{FRAMES - 1} frames; allowed: {FRAMES} frames"):
        vgg.build(WIDTH, SMALL)(torch.randn(FRAMES - 1, WIDTH), torch.tensor([FRAMES - 1]))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"filters": (4, 5, 6, 7), "layers": (1, 1, 1, 1)}, "before a layer of kernel 2.*allowed: at least a pixel"),
        ({"layers": (1,)}, "one value for each layer"),
    ],
)
def test_settings_that_make_no_network_are_refused(changed, said):
    with pytest.raises(BadInput, match=said):
        vgg.build(WIDTH, with_values(SMALL, **changed))
