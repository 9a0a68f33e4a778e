"""How trials share machines; none of it is part of a trial's identity."""

import tomllib
from dataclasses import dataclass
from math import inf
from pathlib import Path

from ser import shipped
from ser.errors import BadInput, unknown


@dataclass(frozen=True)
class Profile:
    """``cluster/<name>.toml``: the device, its share per trial (0 trials at once: as many as fit), and patience."""

    device: str
    cpus_per_trial: int
    gpus_per_trial: float
    trials_at_once: int
    minutes_without_progress: float  # then a trial is ended and tried again; 0: never

    @classmethod
    def read(cls, name: str) -> "Profile":
        """Reads ``cluster/<name>.toml``, or the file at a path. Raises BadInput."""
        is_path = name.endswith(".toml") or "/" in name
        path = Path(name) if is_path else shipped("cluster") / f"{name}.toml"
        names = sorted(p.stem for p in path.parent.glob("*.toml"))
        try:
            profile = cls(**tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise unknown(name, "--profile", names or ("a .toml file",), "name one, or give a path") from None
        except (TypeError, ValueError) as error:  # no TOML, no text, or other settings
            raise BadInput(str(error), str(path), ", ".join(cls.__annotations__), "fix the profile") from None
        profile._check(str(path))
        return profile

    def at_once(self, cores: int) -> int:
        """Returns how many trials run at once on a machine, 1 or more, as far as its processors decide."""
        fit = max(1, cores // self.cpus_per_trial)
        return min(fit, self.trials_at_once or fit) if self.device == "cpu" else self.trials_at_once or fit

    def _check(self, place: str) -> None:
        gpus, on_gpu = self.gpus_per_trial, self.device == "cuda"
        rules = {
            "device": ("cpu or cuda", self.device in ("cpu", "cuda")),
            "cpus_per_trial": ("a whole number, 1 or more", _whole(self.cpus_per_trial) and self.cpus_per_trial >= 1),
            "gpus_per_trial": (
                "0 to 1 in steps of 0.0001, or a whole number of GPUs",
                _number(gpus) and (0.0001 <= gpus <= 1 or gpus == int(gpus)),
            ),
            "trials_at_once": ("a whole number, 0 for as many as fit", _whole(self.trials_at_once)),
            "minutes_without_progress": ("0 or more", _number(self.minutes_without_progress)),
        }
        for name, (allowed, is_allowed) in rules.items():
            if not is_allowed:
                raise BadInput(repr(getattr(self, name)), f"{name} in {place}", allowed, "fix the profile")
        if bool(gpus) != on_gpu:
            allowed = "more than 0 for trials on cuda" if on_gpu else "0 for trials on the cpu"
            raise BadInput(f"{gpus:g}", f"gpus_per_trial in {place}", allowed, "fix it, or the device")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf


def _whole(value: object) -> bool:
    return isinstance(value, int) and _number(value)
