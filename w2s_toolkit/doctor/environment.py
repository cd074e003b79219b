"""Python and packages, against what the distribution's metadata asks for."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from w2s_toolkit.hookspecs import Finding
from w2s_toolkit.registry import requirement

NAME = "w2s-toolkit"


def environment(extras_in_use: Iterable[str]) -> Iterator[Finding]:
    """Findings on Python, the toolkit, its dependencies and its extras.

    Args:
        extras_in_use: extras that components on offer name; without them something does not work.
    """
    try:
        found = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        yield _python("")
        message = f"{NAME} is not installed, so neither its plugins nor its dependencies are known"
        yield Finding(NAME, "fail", message, "pip install -e . in the checkout")
        return
    asked_python = "Requires-Python" in found.metadata and found.metadata["Requires-Python"]
    yield _python(str(asked_python or ""))
    yield Finding(NAME, "ok", f"{found.version} in {found.locate_file('')}")
    yield from _other_copies(found.version)
    asked = [r for r in map(_parsed, found.requires or ()) if r is not None]
    yield from _core([r for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})])
    in_use = set(extras_in_use)
    for extra in found.metadata.get_all("Provides-Extra") or ():
        wanted = [r for r in asked if _only_in(r, extra)]
        yield from _extra(extra, wanted, needed=extra in in_use)


def installed_version(name: str) -> str | None:
    """The version of an installed distribution; None when there is none, empty when unreadable."""
    try:
        # Damaged metadata can lack the version altogether.
        return metadata.version(name) or ""
    except metadata.PackageNotFoundError:
        return None
    except Exception:
        return ""


class _Group:
    """Requirements by how they are met."""

    def __init__(self, asked: Iterable[Requirement]) -> None:
        self.fine: list[str] = []
        self.missing: list[Requirement] = []
        self.outside: list[tuple[Requirement, str]] = []
        for one in asked:
            version = installed_version(one.name)
            if version is None:
                self.missing.append(one)
            elif version and one.specifier.contains(version, prereleases=True):
                self.fine.append(f"{one.name} {version}")
            else:
                self.outside.append((one, version or "of an unknown version"))


def _python(asked: str) -> Finding:
    version = platform.python_version()
    said = f"{version} ({sys.executable})"
    try:
        fits = not asked or SpecifierSet(asked).contains(version, prereleases=True)
    except InvalidSpecifier:
        fits = True
    if fits:
        return Finding("python", "ok", said)
    next_step = f"make an environment with Python {asked}: python3 -m venv .venv"
    return Finding("python", "fail", f"{said}; the toolkit asks for {asked}", next_step)


def _other_copies(version: str) -> Iterator[Finding]:
    """A second copy further down the path is a trap once their versions differ."""
    others = {
        f"{d.version} in {d.locate_file('')}"
        for d in metadata.distributions(name=NAME)
        if d.version != version
    }
    if others:
        message = f"there are other versions beside it: {'; '.join(sorted(others))}"
        yield Finding(NAME, "warn", message, f"pip uninstall {NAME}, then install it once")


def _core(asked: list[Requirement]) -> Iterator[Finding]:
    group = _Group(asked)
    if group.fine:
        yield Finding("packages", "ok", ", ".join(group.fine))
    if group.missing:
        names = ", ".join(r.name for r in group.missing)
        yield Finding("packages", "fail", f"not installed: {names}", _pip(group.missing))
    yield from _outside("packages", group, needed=True)


def _extra(extra: str, asked: list[Requirement], *, needed: bool) -> Iterator[Finding]:
    group = _Group(asked)
    name, install = f"extra {extra}", f"pip install {requirement(extra)}"
    if group.fine:
        yield Finding(name, "ok", ", ".join(group.fine))
    if group.missing:
        names = ", ".join(r.name for r in group.missing)
        status, more = ("warn", "; components need it") if needed else ("ok", "")
        yield Finding(name, status, f"not installed: {names}{more}", install)  # type: ignore[arg-type]
    yield from _outside(name, group, needed=needed)


def _outside(name: str, group: _Group, *, needed: bool) -> Iterator[Finding]:
    for one, version in group.outside:
        message = f"{one.name} is {version}, but {one.specifier or 'a readable version'} is asked"
        yield Finding(name, "fail" if needed else "warn", message, _pip([one]))


def _pip(asked: Iterable[Requirement]) -> str:
    return "pip install " + " ".join(f'"{r.name}{r.specifier}"' for r in asked)


def _parsed(text: str) -> Requirement | None:
    try:
        one = Requirement(text)
    except InvalidRequirement:
        return None
    # An extra may be made of the distribution's other extras.
    return None if canonicalize_name(one.name) == NAME else one


def _only_in(one: Requirement, extra: str) -> bool:
    if one.marker is None:
        return False
    return one.marker.evaluate({"extra": extra}) and not one.marker.evaluate({"extra": ""})
