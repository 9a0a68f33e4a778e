"""Paths and addresses as people write them, made absolute at the command: Ray's workers run in other folders.

One function a kind. Each returns the one spelling that all else works with, which it leaves as it is when called with
it again, and raises BadInput for what cannot be used.
"""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ser.errors import BadInput

Text = str | Path
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_DATABASE = re.compile(r"(postgresql|mysql|mssql)(\+\w+)?://", re.I)
_CLUSTER = re.compile(r"(ray://)?(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):(\d{1,5})/?", re.I)
_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?(/\S*)?")
_ONLY_HERE = ("memory", "http", "https", "data", "file")  # no workers of other processes, or no writing
_ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".rar", ".7z")
_STORES = "http(s)://HOST:PORT, sqlite:///FILE, or a database URL of MLflow"


def path(text: Text, option: str) -> Path:
    """The absolute path: ``~`` and ``file://`` are followed, ``..`` is taken away as the system would do it.

    Links stay as they are written, as on other machines they may lead elsewhere.
    """
    written = str(text)
    if not written.strip():
        raise BadInput(repr(written), option, "a path", "name one, or leave it out")
    if _DRIVE.match(written) and not os.path.lexists(written):
        raise BadInput(repr(written), option, "a path of this system", f"under WSL it is {_in_wsl(written)}")
    if written.lower().startswith("file:") and not os.path.lexists(written):
        written = _of_file_url(written, option)
    elif "://" in written:
        raise BadInput(repr(without_secrets(written)), option, "a path on this machine", "only --store takes URLs")
    whole = _from_here(_at_home(written, option), option)
    last = max((i for i, name in enumerate(whole.parts) if name == ".."), default=-1)
    try:
        return Path(*whole.parts[: last + 1]).resolve().joinpath(*whole.parts[last + 1 :]) if last > 0 else whole
    except (OSError, RuntimeError) as error:  # a link that leads to itself
        raise BadInput(str(whole), option, "a path that leads somewhere", f"fix it ({error})") from None


def folder(text: Text, option: str) -> Path:
    """A folder that is there, to be read."""
    return _existing(text, option, "a folder that exists", lambda mode: stat.S_ISDIR(mode))


def file(text: Text, option: str) -> Path:
    """A file that is there, to be read."""
    return _existing(text, option, "a file that exists", lambda mode: not stat.S_ISDIR(mode))


def data(text: Text, option: str = "--data") -> Path:
    """A place to look for corpora: a folder, or the zip file of one."""
    place = _existing(text, option, "a folder that exists, or the zip file of a corpus", lambda mode: True)
    if place.is_dir() or place.suffix.lower() == ".zip":
        return place
    kind, remedy = "a folder that exists, or the zip file of a corpus", f"name the folder: {place.parent}"
    if place.suffix.lower() == ".csv":
        remedy += f"; or a manifest by --corpora NAME={place}"
    elif place.suffix.lower() in _ARCHIVES:
        remedy = "unpack it, and name the folder"
    raise BadInput(f"{place}, which is a file", option, kind, remedy)


def corpus(text: Text, option: str = "--corpora") -> Path:
    """Where one corpus is: a folder, a zip or a manifest that is there."""
    return _existing(text, option, "a folder or file that exists", lambda mode: True)


def writable_folder(text: Text, option: str) -> Path:
    """A folder to write into, which need not be there yet."""
    target = path(text, option)
    for place in (target, *target.parents):
        mode = _mode(place, option)
        if mode is None and not os.path.lexists(place):
            continue  # to be made
        if mode is None:
            value = f"{place}, a link to {os.readlink(place)}, which does not exist"
            raise BadInput(value, option, "a folder, or one that can be made", "fix the link, or name another folder")
        if not stat.S_ISDIR(mode):
            value = f"{place}, which is a file" if place == target else f"{target}, and {place} is a file"
            raise BadInput(value, option, "a folder, or one that can be made", "name another folder")
        break
    return target


def weights(text: Text, option: str = "--weights") -> Path:
    """The file, or the prefix of a checkpoint in several files, whose reader says which of them lack."""
    target = path(text, option)
    mode = _mode(target, option)
    if mode is not None and stat.S_ISDIR(mode):
        raise BadInput(f"{target}, which is a folder", option, "a file", f"name the file: {target}/FILE")
    return target


def profile(text: str, option: str = "--profile") -> str:
    """The name of a profile, or the absolute path of its file."""
    if text.endswith(".toml") or "/" in text or "\\" in text:
        return str(_existing(text, option, "a .toml file that exists", lambda mode: not stat.S_ISDIR(mode)))
    if not text.strip():
        raise BadInput(repr(text), option, "a name, or a .toml file", "name one, or leave it out")
    return text


def store(text: str, option: str = "--store") -> str:
    """An absolute folder, or the URL of a place that several machines reach."""
    allowed = "a folder, or a URL that fsspec can open"
    scheme, sign, rest = text.partition("://")
    if sign and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) and scheme.lower() != "file":
        if scheme.lower() in _ONLY_HERE:
            raise BadInput(repr(without_secrets(text)), option, allowed, "name a place that workers can read and write")
        if not rest.strip("/"):
            raise BadInput(repr(text), option, allowed, f"name the place: {scheme.lower()}://BUCKET/FOLDER")
        return f"{scheme.lower()}://{rest}"
    odd = _SCHEME.match(text) and not text.lower().startswith("file:") and not os.path.lexists(text)
    if odd and text.partition(":")[2].startswith("/"):
        scheme, _, rest = text.partition(":")
        raise BadInput(repr(text), option, allowed, f"write {scheme}://{rest.lstrip('/')}; a folder is ./{text}")
    return str(writable_folder(text, option))


def cluster(text: str, option: str = "--address") -> str:
    """``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``."""
    if text == "auto":
        return text
    match = _CLUSTER.fullmatch(text)
    if match and 0 < int(match[3]) < 65536:
        return f"{'ray://' if match[1] else ''}{match[2]}:{match[3]}"
    remedy = "leave it out to use this machine"
    if text.lower().startswith(("http://", "https://")):
        remedy = f"that is the dashboard's; write ray://{urlsplit(text).hostname or 'HOST'}:10001"
    elif re.fullmatch(r"(ray://)?[\w.-]+/?", text, re.I) and text.lower() not in ("local", "auto"):
        remedy = f"name the port: {text.rstrip('/')}:{10001 if '://' in text else 6379}"
    raise BadInput(
        repr(without_secrets(text)), option, "auto, HOST:6379 or ray://HOST:10001 of a running cluster", remedy
    )


def tracking(text: str, option: str = "--tracking-uri") -> str:
    """The address of an MLflow server, or of a database; that of a SQLite file is absolute."""
    text = text.strip()
    scheme = text.partition(":")[0].lower()
    if scheme in ("http", "https"):
        return _server(text, option)
    if scheme.partition("+")[0] == "sqlite":
        return _sqlite(text, option)
    if match := _DATABASE.match(text):
        return match[0].lower() + text[match.end() :]
    raise BadInput(repr(without_secrets(text)), option, _STORES, _nearest_store(text))


def sqlite_uri(database: Path) -> str:
    """The URI of a SQLite file, as SQLAlchemy and MLflow read it.

    What SQLAlchemy unquotes is quoted. For such a name MLflow would make another folder, of the quoted name, wherever
    a URI begins with ``sqlite:///``.
    """
    quoted = str(database).replace("%", "%25").replace("?", "%3F")
    return f"{'sqlite' if quoted == str(database) else 'sqlite+pysqlite'}:///{quoted}"


def sqlite_file(uri: str) -> Path | None:
    """The file that ``sqlite_uri`` was made of; None for the URI of anything else."""
    match = re.match(r"sqlite(\+pysqlite)?:///([^?]*)", uri)
    return Path(unquote(match[2])) if match else None


def without_secrets(text: str) -> str:
    """The text with every ``scheme://user:password@host`` without its middle."""
    return re.sub(r"://\S*@", "://", text)


def _existing(text: Text, option: str, allowed: str, fits: Callable[[int], bool]) -> Path:
    target = path(text, option)
    mode = _mode(target, option)
    if mode is not None and fits(mode):
        return target
    if mode is not None:
        raise BadInput(f"{target}, which is a {'folder' if stat.S_ISDIR(mode) else 'file'}", option, allowed, "name it")
    link = f", a link to {os.readlink(target)}" if os.path.islink(target) else ""
    above = next((p for p in target.parents if os.path.lexists(p)), target)
    raise BadInput(f"{target}{link}, which does not exist", option, allowed, f"fix the path; {above} is there")


def _mode(place: Path, option: str) -> int | None:
    """What lies at ``place``; None where nothing does."""
    try:
        return place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # too long a name, a link that leads to itself, no leave to look
        raise BadInput(f"{place}: {error.strerror}", option, "a path that can be reached", "fix or change it") from None


def _in_wsl(written: str) -> str:
    drive, rest = written[0].lower(), written[2:].replace("\\", "/").lstrip("/")
    return f"/mnt/{drive}/{rest}" if written[1] == ":" else "the folder where that share is mounted"


def _of_file_url(text: str, option: str) -> str:
    rest = text.partition(":")[2]
    host, at, place = rest[2:].partition("/") if rest.startswith("//") else ("", "/", rest.lstrip("/"))
    if host not in ("", "localhost") or not at or not rest.startswith("/"):
        raise BadInput(repr(text), option, "file:///FOLDER, with three slashes, or a path", "write the path alone")
    literal = f"/{place}"
    return literal if os.path.lexists(literal) else unquote(literal)


def _at_home(written: str, option: str) -> Path:
    try:
        return Path(written).expanduser()
    except RuntimeError:  # nobody of that name
        if os.path.lexists(written):
            return Path(written)
        raise BadInput(
            repr(written), option, "~ or ~USER of this machine", f"a folder of this name is ./{written}"
        ) from None


def _from_here(place: Path, option: str) -> Path:
    try:
        return place if place.is_absolute() else Path.cwd() / place
    except FileNotFoundError:
        raise BadInput(str(place), option, "an absolute path", "the current folder was removed; cd into one") from None


def _server(text: str, option: str) -> str:
    safe = repr(without_secrets(text))
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", text)
    except ValueError:  # a port that is none
        usable = False
    if not usable:
        raise BadInput(safe, option, _STORES, "name host and port: http://HOST:5000")
    base = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
    if parts.query or parts.fragment:
        raise BadInput(safe, option, _STORES, f"write {without_secrets(base)}, without what follows")
    return base


def _sqlite(text: str, option: str) -> str:
    scheme, _, rest = text.partition(":")
    if scheme.lower() not in ("sqlite", "sqlite+pysqlite"):
        raise BadInput(repr(text), option, "sqlite:///FILE", "MLflow takes no other driver")
    if not rest.startswith("///"):
        name = rest.lstrip("/") or "mlflow.db"
        remedy = "a database in memory is gone with its process; " if rest in ("", "//") else ""
        raise BadInput(repr(text), option, "sqlite:///FILE, with three slashes", f"{remedy}write sqlite:///{name}")
    name, mark, query = rest[3:].partition("?")
    if not name or name.startswith((":", "file:")) or re.search(r"\b(uri|mode|vfs)=", query):
        remedy = "one in memory, or opened otherwise, cannot be shared; write sqlite:///mlflow.db"
        raise BadInput(repr(text), option, "sqlite:///FILE", remedy)
    if mark and not re.fullmatch(r"(\w+=[^&/]*)(&\w+=[^&/]*)*", query):
        raise BadInput(repr(text), option, "sqlite:///FILE", "write ? in a name as %3F")
    database = path(name if os.path.lexists(name) else unquote(name), option)
    mode = _mode(database, option)
    if (mode is not None and stat.S_ISDIR(mode)) or text.endswith("/"):
        raise BadInput(
            f"{database}, which is a folder", option, "a file", f"write sqlite:///{name.rstrip('/')}/mlflow.db"
        )
    writable_folder(database.parent, option)
    return sqlite_uri(database) + mark + query


def _nearest_store(text: str) -> str:
    """What a person may have meant by what is no address of a tracking store."""
    lower = text.lower()
    if not text:
        return "name one, or leave it out: runs go into the work folder"
    if lower.startswith(("postgres:", "psql:", "mariadb:")):
        kind = "mysql+pymysql" if lower.startswith("mariadb") else "postgresql"
        return f"write {kind}:{without_secrets(text).partition(':')[2]}"
    if lower.endswith((".db", ".sqlite", ".sqlite3")) and "://" not in text:
        return f"write sqlite:///{text}"
    if lower.startswith(("databricks", "uc:")):
        return "Databricks is not among them; leave it out: runs go into the work folder"
    files = lower.startswith(("file:", "/", "./", "../", "~")) or os.path.isdir(text) or "mlruns" in lower
    if files:
        return "MLflow has given up its file stores; write sqlite:///mlflow.db (`mlflow migrate-filestore` moves runs)"
    if _SERVER.fullmatch(text) and (lower.startswith("localhost") or "." in text or ":" in text):
        host = text.rstrip("/")
        return f"write http://{host}" + ("" if re.search(r":\d+", host) else ":5000")
    return "write http://HOST:5000 of a server, or leave it out: runs go into the work folder"
