"""Places by URL: object stores and other file systems that fsspec can open, whose many errors become OSError."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ser.errors import BadInput

_OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "az")


def is_url(place: str | Path) -> bool:
    """Returns whether a place is a URL, and not a folder or ``file://``."""
    return "://" in str(place) and not str(place).startswith("file://")


class RemoteFolder:
    """A folder by URL. Every method raises OSError where the place does not answer, FileNotFoundError among them."""

    def __init__(self, url: str, option: str = "--store") -> None:
        """Raises BadInput where no package can open the URL."""
        import fsspec  # later: most stores are folders

        self.url = url.rstrip("/")
        try:
            self._system, root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            allowed = "a folder, or a URL whose protocol fsspec can open"
            raise BadInput(url, option, allowed, f"install its package ({error})") from None
        self._root = str(root).rstrip("/")
        self._has_folders = self.url.partition("://")[0] not in _OBJECT_STORES

    def sizes(self, folder: str) -> dict[str, int]:
        """Returns names and sizes in bytes of the files of ``folder``; none where there is no such folder."""
        return {_name(f): f["size"] for f in self._listed(folder) if f["type"] == "file"}

    def folders(self, folder: str) -> list[str]:
        """Returns names of the folders in ``folder``, sorted."""
        return sorted(_name(f) for f in self._listed(folder) if f["type"] == "directory")

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        self._system.invalidate_cache()  # another node may have written since it was last asked
        with suppress(FileNotFoundError):
            entries: list[dict[str, Any]] = self._call(self._system.ls, self._at(folder), detail=True)
            return [f for f in entries if f["name"].rstrip("/") != self._at(folder)]  # some list the folder itself
        return []

    def get(self, name: str, path: Path) -> None:
        """Copy the file ``name`` to ``path``."""
        self._call(self._system.get_file, self._at(name), str(path))

    def put(self, path: Path, name: str) -> None:
        """Copy ``path`` to ``name``, replacing it; at once where the far side can, as object stores do."""
        self._in_folder(name, self._system.put_file, str(path), self._at(name))

    def write(self, name: str, content: bytes) -> None:
        """Replace the file ``name``."""
        self._in_folder(name, self._system.pipe_file, self._at(name), content)

    def read(self, name: str) -> bytes:
        """Returns the content of the file ``name``."""
        return bytes(self._call(self._system.cat_file, self._at(name)))

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""
        with suppress(FileNotFoundError):
            self._call(self._system.rm_file, self._at(name))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder and all that is in it; one that is gone already is no error."""
        with suppress(FileNotFoundError):
            self._call(self._system.rm, self._at(folder), recursive=True)

    def _in_folder(self, name: str, method: Callable[..., Any], *args: object) -> None:
        """Object stores know no folders; asked for one, some would make a missing bucket, for which a person pays."""
        if self._has_folders:
            self._call(self._system.makedirs, self._at(name).rpartition("/")[0], exist_ok=True)
        self._call(method, *args)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # every protocol's client has a family of its own
            message = next(iter(str(error).splitlines()), "")
            raise ConnectionError(f"{self.url}: {type(error).__name__} {message[:300]}") from error


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]
