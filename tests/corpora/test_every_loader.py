"""What holds for every corpus: the miniature of each file of ser/corpora is found, read, scanned and copied alike."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ser import registry
from ser.data import containers
from ser.data.about import KINDS, About
from ser.data.folders import walked_once
from ser.data.manifest import Manifest, Refusal
from ser.data.scan import corpora_below, scan
from ser.study import part, settings_of
from ser.study.labels import EMOTIONS

LOADERS = registry.names("corpora")
Folder = Callable[[str], Path]


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A made copy per corpus, two folders below a fresh one; shared by the tests that only read."""
    made: dict[str, Path] = {}

    def folder(loader: str) -> Path:
        if loader not in made:
            top = tmp_path_factory.mktemp("above") / "data"
            made[loader] = module(loader).miniature(top)
        return made[loader]

    return folder


@pytest.fixture(scope="session")
def copy_below(miniature: Folder) -> Callable[[str, Path], Path]:
    """Copies a corpus's miniature, which takes less than making another, below a folder; returns its place there."""

    def copy(loader: str, root: Path) -> Path:
        place = miniature(loader)
        top = next(folder for folder in (place, *place.parents) if folder.name == "data")  # nothing else is in there
        shutil.copytree(top, root, dirs_exist_ok=True)
        return root / place.relative_to(top)

    return copy


def module(loader: str) -> ModuleType:
    return registry.find("corpora", loader)


def scanned(loader: str, path: Path, cache: Path) -> Manifest:
    return scan(loader, loader, path, {}, cache)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("loader", LOADERS)
def test_loader_states_what_it_is(loader: str) -> None:
    m = module(loader)
    assert m.__doc__
    assert all(isinstance(text, str) and text for text in (m.TITLE, m.FILES, m.FOLDER))
    assert str(registry.version("corpora", loader)).partition("+")[0] == str(m.VERSION)  # a plugin has more
    assert m.VERSION >= 1
    assert settings_of("corpora", part(loader)) == m.Settings()
    expected = m.expected(m.Settings())
    assert set(expected) <= set(EMOTIONS)
    assert m.EXPECTED_SPEAKERS == 0 or expected  # names may not tell who speaks


@pytest.mark.parametrize("loader", LOADERS)
def test_corpus_states_where_it_comes_from_and_a_format_does_not(loader: str, miniature: Folder) -> None:
    m = module(loader)
    if m.ABOUT is None:
        assert m.expected(m.Settings()) == {}  # a format holds any corpus
        return
    about: About = m.ABOUT
    assert about.languages
    assert all(re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?", language) for language in about.languages)
    assert about.kind in KINDS
    assert about.licence
    assert re.search(r"\b(19|20)\d\d\b", about.reference)
    assert re.search(r"https?://", about.download)
    assert all(about.defects)
    listing = m.load(m.find(miniature(loader)), m.Settings(), loader)
    assert {u.language for u in listing.utterances} <= set(about.languages)
    assert all(u.language for u in listing.utterances)


@pytest.mark.parametrize("loader", LOADERS)
def test_found_by_its_own_loader_and_by_no_other(loader: str, miniature: Folder) -> None:
    assert [name for name in LOADERS if module(name).find(miniature(loader)) is not None] == [loader]


@pytest.mark.parametrize("loader", LOADERS)
def test_found_from_above_as_from_its_own_root(loader: str, miniature: Folder) -> None:
    folder = miniature(loader)
    root = module(loader).find(folder)
    assert root is not None
    assert root.is_relative_to(folder)
    for start in (root, folder.parent, folder.parent.parent):
        assert module(loader).find(start) == root


@pytest.mark.parametrize("loader", LOADERS)
def test_nothing_is_found_where_nothing_is(loader: str, tmp_path: Path) -> None:
    assert module(loader).find(tmp_path) is None
    assert module(loader).find(tmp_path / "absent") is None


@pytest.mark.parametrize("loader", LOADERS)
def test_listing_is_sorted_prefixed_and_in_unified_words(loader: str, miniature: Folder) -> None:
    m = module(loader)
    listing = m.load(m.find(miniature(loader)), m.Settings(), loader)
    keys = [(u.uid, u.path) for u in listing.utterances]
    assert keys == sorted(keys)
    for u in listing.utterances:
        assert u.corpus == loader
        assert u.uid.startswith(f"{loader}/")
        assert u.speaker.startswith(f"{loader}/")
        assert len(u.speaker) > len(loader) + 1
        assert u.label in EMOTIONS
        assert {label for _, label in u.votes} <= set(EMOTIONS)
        assert u.sex in ("F", "M", "")
        assert os.path.isabs(u.path)
        assert (u.rate_hz, u.seconds, u.sha) == (0, 0.0, "")


@pytest.mark.parametrize("loader", LOADERS)
def test_another_name_of_the_corpus_changes_only_prefixes(loader: str, miniature: Folder) -> None:
    m = module(loader)
    root = m.find(miniature(loader))
    one, two = (m.load(root, m.Settings(), name).utterances for name in (loader, "mine"))
    assert [u.uid.removeprefix(f"{loader}/") for u in one] == [u.uid.removeprefix("mine/") for u in two]
    assert [u.speaker.removeprefix(f"{loader}/") for u in one] == [u.speaker.removeprefix("mine/") for u in two]


@pytest.mark.parametrize("loader", LOADERS)
def test_scan_fills_in_the_audio_and_keeps_one_of_each(loader: str, miniature: Folder, tmp_path: Path) -> None:
    manifest = scanned(loader, miniature(loader), tmp_path)
    uids = [u.uid for u in manifest.utterances]
    assert uids == sorted(set(uids))
    assert all(
        u.rate_hz >= 8000 and u.seconds > 0.2 and u.bytes > 1000 and len(u.sha) == 32 for u in manifest.utterances
    )
    assert manifest.refused  # every miniature has planted defects
    assert list(manifest.refused) == sorted(manifest.refused, key=lambda r: (r.what, r.reason))
    assert not {u.path for u in manifest.utterances if u.start_s is None} & {r.what for r in manifest.refused}


@pytest.mark.parametrize("loader", LOADERS)
def test_miniature_is_the_same_bytes_for_the_same_seed(loader: str, miniature: Folder, tmp_path: Path) -> None:
    here = tree(miniature(loader))
    assert tree(module(loader).miniature(tmp_path / "again")) == here
    other = tree(module(loader).miniature(tmp_path / "other", seed=1))
    assert other.keys() == here.keys()
    assert other != here


@pytest.mark.parametrize("loader", LOADERS)
def test_a_copy_elsewhere_is_the_same_corpus(loader: str, miniature: Folder, tmp_path: Path) -> None:
    first = scanned(loader, miniature(loader), tmp_path / "cache")
    shutil.copytree(miniature(loader), tmp_path / "elsewhere")
    second = scanned(loader, tmp_path / "elsewhere", tmp_path / "other cache")
    assert second.fingerprint == first.fingerprint
    copied = {r.reason.removeprefix("duplicate of ") for r in second.refused}  # these have a stand-in
    victim = next(u for u in second.utterances if u.path not in copied)
    changed = Path(containers.file_of(victim.path))
    changed.write_bytes(changed.read_bytes()[:-2] + b"\x01\x02")
    assert scanned(loader, tmp_path / "elsewhere", tmp_path / "other cache").fingerprint != first.fingerprint
    changed.unlink()
    fewer = scanned(loader, tmp_path / "elsewhere", tmp_path / "other cache")
    assert victim.uid not in {u.uid for u in fewer.utterances}


@pytest.mark.parametrize("loader", LOADERS)
def test_links_in_a_circle_do_not_hang(loader: str, copy_below: Callable[[str, Path], Path], tmp_path: Path) -> None:
    folder = copy_below(loader, tmp_path / "data")
    before = module(loader).find(tmp_path)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "pipe.wav")
    assert module(loader).find(tmp_path) == before
    assert module(loader).load(before, module(loader).Settings()).utterances


def test_corpora_side_by_side_keep_to_their_own_roots(
    miniature: Folder, copy_below: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    roots = {}
    for loader in LOADERS:
        folder, place = copy_below(loader, tmp_path / "data"), miniature(loader)
        roots[loader] = folder / module(loader).find(place).relative_to(place)
    names = dict(zip(LOADERS, LOADERS, strict=True)) | {"manifest_csv": "customer", "emobox": "polish"}
    with walked_once():
        for loader, root in roots.items():
            assert module(loader).find(tmp_path) == root
        assert corpora_below([tmp_path]) == sorted((names[loader], loader, root) for loader, root in roots.items())
        assert corpora_below([tmp_path, tmp_path / "data"]) == corpora_below([tmp_path])
    for loader, root in roots.items():
        alone = module(loader).load(root, module(loader).Settings())
        assert alone.utterances
        assert not [r for r in alone.refused if not Path(r.what).is_relative_to(root if root.is_dir() else root.parent)]


def test_refusals_have_both_halves(miniature: Folder, tmp_path: Path) -> None:
    for loader in LOADERS:
        for refusal in scanned(loader, miniature(loader), tmp_path).refused:
            assert isinstance(refusal, Refusal)
            assert refusal.what.startswith("/")
            assert len(refusal.reason) > 5
