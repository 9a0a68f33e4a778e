"""What a person sees of scanned corpora: counts beside those of the release, labels, and what was refused."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ser import registry
from ser.cli.console import console, table
from ser.data.manifest import Manifest, Refusal
from ser.data.release import release_of
from ser.data.votes import MOST, Statistics
from ser.study.languages import language_name

_FEW = 3  # files named in a line
_SHOWN = 15  # refused files listed where not all are asked for
RELEASE = {"whole": "the whole release", "part": "part of the release", "other": "not the release"}


def corpus(manifest: Manifest, all_refused: bool) -> None:
    """Counts of a scanned corpus beside those of the full release, and what was refused."""
    module = registry.find("corpora", manifest.loader)
    expected: Mapping[str, int] = module.expected(module.Settings(**dict(manifest.settings)))
    speakers = module.EXPECTED_SPEAKERS
    of_all = f" (full release: {speakers})" if speakers not in (0, len(manifest.speakers)) else ""
    origin = " · made, not recorded" if manifest.demo else ""
    console.print(f"\n{manifest.corpus} ({module.TITLE}{origin})  {manifest.root}", style="bold")
    console.print(
        f"{len(manifest.utterances)} utterances, {len(manifest.speakers)} speakers{of_all}, {manifest.hours:.2f} h, "
        f"fingerprint {manifest.fingerprint}"
    )
    if spoken := Counter(u.language for u in manifest.utterances if u.language):
        console.print("spoken: " + ", ".join(f"{language_name(tag)} {n}" for tag, n in spoken.most_common()))
    if expected and not manifest.demo:
        found = release_of(manifest)
        console.print(f"{RELEASE[found.state]}: {found.why}")
    rows = table("class", "found", "full release")
    counts = manifest.counts()
    for label in dict.fromkeys([*counts, *expected]):
        release = expected.get(label)
        differs = release is not None and release != counts.get(label, 0)
        rows.add_row(
            label, str(counts.get(label, 0)), "–" if release is None else f"{release}{' ≠' if differs else ''}"
        )
    console.print(rows)
    remarks(manifest.remarks, all_refused)
    refusals(manifest.refused, all_refused)


def surveyed(notes: Sequence[str], refused: Sequence[Refusal], all_refused: bool) -> None:
    """What there is to say of corpora together, and what lies beside them unused."""
    for note in notes:
        console.print(f"\nnote: {note}")
    if refused:
        console.print("\nin no corpus", style="bold")
        refusals(refused, all_refused)


def labels(
    name: str, whole: Statistics, usable: Statistics, release: tuple[Sequence[int], Sequence[int]] | None
) -> None:
    """Utterances with each emotion, and with so many; ``release``: both as the paper's full corpora have them."""
    left_out = ", ".join(f"{n} with {k or 'no'}" for k, n in whole.types.items() if k not in usable.types)
    console.print(f"\n{name}: {usable.clips} of {whole.clips} utterances; left out: {left_out or 'none'}", style="bold")
    rows = table("emotions", "found", "full release")
    types = {f"{k} at once": usable.types.get(k, 0) for k in range(1, MOST + 1)}
    expected = [*release[0], *release[1]] if release else []
    for place, (row, count) in enumerate((usable.positives | types).items()):
        full = expected[place] if expected else None
        rows.add_row(row, str(count), "–" if full is None else f"{full}{' ≠' if full != count else ''}")
    console.print(rows)


def remarks(notes: Sequence[Refusal], everything: bool) -> None:
    """Files that are used although something is wrong with them, and what; all of them only where they are few."""
    for kind, count in Counter(r.reason for r in notes).most_common():
        files = [r.what for r in notes if r.reason == kind]
        listed = files if everything else files[:_FEW]
        more = f" and {len(files) - len(listed)} more" if len(files) > len(listed) else ""
        console.print(f"read all the same: {count} × {kind}: {', '.join(listed)}{more}")


def refusals(refused: Sequence[Refusal], everything: bool = True) -> None:
    """A table of what was left out and why."""
    if not refused:
        return
    reasons = Counter(r.kind for r in refused)
    console.print(f"refused: {len(refused)} (" + "; ".join(f"{n} × {why}" for why, n in reasons.most_common(5)) + ")")
    rows = table("refused", "reason")
    for r in refused if everything else refused[:_SHOWN]:
        rows.add_row(r.what, r.reason)
    console.print(rows)
    if not everything and len(refused) > _SHOWN:
        console.print(f"… and {len(refused) - _SHOWN} more: --refused lists all")
