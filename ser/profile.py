"""How trials share machines; none of it is part of a trial's identity."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ser.errors import BadInput


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
        """``cluster/<name>.toml``, or a path to such a file. Raises BadInput."""
        path = Path(name) if name.endswith(".toml") else Path(str(files("cluster"))) / f"{name}.toml"
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.toml")))
        try:
            return cls(**tomllib.loads(path.read_text()))
        except FileNotFoundError:
            raise BadInput(repr(name), "--profile", known or "a .toml file", "name one, or give a path") from None
        except (TypeError, tomllib.TOMLDecodeError) as error:
            raise BadInput(str(error), str(path), ", ".join(cls.__annotations__), "mend the profile") from None
