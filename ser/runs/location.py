"""Where runs go: the address of a tracking store, as given or of the work folder, checked before it is used."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ser.errors import BadInput
from ser.host import paths
from ser.host.paths import without_secrets

_PLAIN_FILE = re.compile(r"sqlite:///([\w./ -]+)", re.ASCII)


@dataclass(frozen=True)
class Location:
    """A tracking URI, and a folder for artifacts where the URI is not a server's."""

    uri: str
    artifacts: str

    @classmethod
    def of(cls, work: Path, uri: str | None, to_read: bool = False) -> "Location":
        """``uri`` as given, or the SQLite file of the work folder, which must be there ``to_read``. Raises BadInput."""
        if uri is None and to_read and not (work / "mlflow.db").exists():
            raise BadInput(
                f"{work}, which has no runs", "--work", "a folder that `ser run` wrote", "name it, or run first"
            )
        option, artifacts = "--work" if uri is None else "--tracking-uri", work.absolute() / "artifacts"
        uri = paths.sqlite_uri(artifacts.with_name("mlflow.db")) if uri is None else paths.tracking(uri)
        if uri.startswith("http"):
            return cls(uri, "")
        _check_driver(uri)
        _check_read_back("--work", artifacts, url2pathname(urlsplit(artifacts.as_uri()).path))
        if database := paths.sqlite_file(uri):
            _check_read_back(option, database, _database_of(uri))
        if database and option != "--work":
            if to_read and not database.exists():
                raise BadInput(
                    f"{database}, which is not there", "--tracking-uri", "a database with runs", "name it, or run first"
                )
            if not to_read:
                database.parent.mkdir(parents=True, exist_ok=True)
        return cls(uri, str(artifacts))

    @property
    def printable(self) -> str:
        """The address as it may be printed and kept."""
        return self.uri if paths.sqlite_file(self.uri) else without_secrets(self.uri)

    @property
    def database(self) -> Path | None:
        """The file of an SQLite database; None where the runs are kept elsewhere."""
        return paths.sqlite_file(self.uri)

    @property
    def own_database(self) -> Path | None:
        """The same, if the file lies in the work folder itself, beside the artifacts, and moves along with it."""
        file = self.database
        return file if file and self.artifacts and file.absolute().parent == Path(self.artifacts).parent else None


def _database_of(uri: str) -> str | None:
    """Returns the file that SQLAlchemy reads of the URI."""
    if match := _PLAIN_FILE.fullmatch(uri):  # nothing to be unquoted: its import takes a third of a second
        return match[1]
    from sqlalchemy import make_url

    return make_url(uri).database


def _check_driver(uri: str) -> None:
    """Raises BadInput where this machine cannot talk to such a database; what else is wrong, the Tracker finds."""
    if _PLAIN_FILE.fullmatch(uri):  # by Python's own driver
        return
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if not uri.startswith("http"):
            make_url(uri).get_dialect().import_dbapi()
    except ImportError as error:
        raise BadInput(
            without_secrets(uri),
            "--tracking-uri",
            f"a database whose driver is installed, here {error.name}",
            "install it on every node; for PostgreSQL: pip install 'ser[cluster]'",
        ) from None
    except ValueError as error:  # of a port
        allowed = "a database URL of MLflow"
        raise BadInput(without_secrets(uri), "--tracking-uri", allowed, f"fix it ({error})") from None
    except SQLAlchemyError:
        pass


def _check_read_back(option: str, place: Path, again: str | None) -> None:
    """Raises BadInput where SQLAlchemy or MLflow would use another file than ``place``: bytes that are no text."""
    if again != str(place):
        odd = next((c for c in str(place) if c in "%?" or "\ud800" <= c <= "\udfff"), "")
        value = f"{str(place)!a}, of which {odd!a} is read otherwise by MLflow"
        raise BadInput(value, option, "a path that MLflow reads as it is written", "choose a folder of another name")
