"""Add pages from outside docs/ to the site, and adapt links that are relative to the repository.

README.md is the home page. A file that a page links to becomes a page too (source code, JSON) or is copied
(pictures, data). So the same Markdown works in the repository and in the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "weights/README.md": "weights.md",
}
ALONE = "---\nhide: [navigation]\n---\n\n"  # no menu beside the home page
# Pages of source code would crowd a search.
SOURCE = "---\nhide: [navigation]\nsearch: {exclude: true}\n---\n\n"
ANSWERS = ("documents.md", "faq.md", "python.md", "tutorial.md")  # pages that search shows first
# Linked files with these endings become pages; all others are copied.
LANGUAGES = {
    "": "text",
    ".js": "js",
    ".json": "json",
    ".md": "md",
    ".py": "python",
    ".toml": "toml",
    ".txt": "text",
}

# [text](target "title") and ![text](target), but no link to another site or within the page
LINK = re.compile(r"(?P<start>\]\()(?P<target>[^)\s#:]+)(?P<end>(?:#[^)\s]*)?(?:\s+\"[^\"]*\")?\))")
FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> None:
    """Leave out the entries of the navigation whose pages do not exist (yet)."""
    config.nav = [entry for entry in (_present(entry) for entry in config.nav or []) if entry is not None]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/, and all files that they link to."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=ALONE + text if page == "index.md" else text))
    for file in list(files.documentation_pages()):
        for target in targets(file.content_string, ROOT / source_of(file.src_uri)):
            add(target, files, config)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turn links within the repository into links within the site, and say how search ranks the page."""
    if page.file.src_uri in ANSWERS:
        page.meta["search"] = {"boost": 4}
    if heading := re.search(r"^# (.+)$", markdown, re.MULTILINE):  # not the shorter words of the menu
        page.meta["title"] = heading[1].replace("`", "")
    if page.file.src_uri.startswith("source/"):
        return markdown
    return with_links(markdown, source_of(page.file.src_uri), page.file.src_uri)


def with_links(markdown: str, source: str, page: str) -> str:
    """The Markdown of ``source`` with the links that it needs as ``page``."""

    def replace(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match["target"]))
        moved = posixpath.relpath(in_site(target), posixpath.dirname(page) or ".")
        return f"{match['start']}{moved}{match['end']}"

    parts, end = [], 0
    for fence in FENCE.finditer(markdown):  # links in code are not changed
        parts += [LINK.sub(replace, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(replace, markdown[end:])])


def source_of(page: str) -> str:
    """The path in the repository of a page of the site."""
    for source, name in PAGES.items():
        if name == page:
            return source
    if page.startswith("notebooks/"):
        return page.removesuffix(".md") + ".ipynb"
    return f"docs/{page}"


def in_site(path: str) -> str:
    """The path in the site of a file of the repository."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("notebooks/") and (path.endswith(".ipynb") or "_files/" in path):
        return re.sub(r"\.ipynb$", ".md", path)
    return f"source/{path}.md" if Path(path).suffix in LANGUAGES else f"source/{path}"


def targets(text: str, source: Path) -> set[Path]:
    """The files of the repository that a page links to."""
    links = LINK.finditer(FENCE.sub("", text))
    return {(source.parent / match["target"]).resolve() for match in links}


def add(path: Path, files: Files, config: MkDocsConfig) -> None:
    """Add a linked file, unless it is a page already."""
    relative = path.relative_to(ROOT).as_posix()
    uri = in_site(relative)
    if files.get_file_from_path(uri) is not None or not uri.startswith("source/"):
        return
    if not path.is_file():
        raise PluginError(f"a page links to {relative}, which is not a file")
    if language := LANGUAGES.get(path.suffix):
        code = f"{SOURCE}# {relative}\n\n~~~~{language}\n{path.read_text('utf-8')}~~~~\n"
        file = File.generated(config, uri, content=code, inclusion=InclusionLevel.NOT_IN_NAV)
    else:
        file = File.generated(config, uri, abs_src_path=str(path))
    files.append(file)


def _present(entry: Any) -> Any:  # noqa: ANN401 - a path, {title: path} or {title: [entries]}
    if isinstance(entry, str):
        return entry if _is_there(entry) else None
    [(title, value)] = entry.items()
    if isinstance(value, str):
        return entry if _is_there(value) else None
    inside = [page for page in map(_present, value) if page is not None]
    return {title: inside} if inside else None


def _is_there(page: str) -> bool:
    return (ROOT / source_of(page)).is_file()
