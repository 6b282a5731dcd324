"""Files that are whole at any moment: who reads one sees what it was, or what it is."""

import os
from pathlib import Path


def write_whole(path: Path, data: bytes, mode: int = 0o666, synced: bool = True) -> None:
    """Put `data` into a file's place, with these rights but for the umask's; `synced`: on the disk when it returns.
    Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        if synced:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)
