"""What the documentation promises is what the program does."""

import dataclasses
import re
import shlex
import subprocess
import sys
import tomllib

import click
import pytest

from neurorecon.cli import SUMMARIES, main


@pytest.mark.parametrize("page", ["cli", "settings"])
def test_a_page_that_is_made_is_what_the_program_says(root, page):
    """Made in a fresh process: click keeps the help option of a command from its first call."""
    script = root / "docs" / f"make_{page}_reference.py"
    made = subprocess.run([sys.executable, script, "-"], capture_output=True, check=True)
    written = (root / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert written == made.stdout.decode(), f"run: python docs/make_{page}_reference.py"


def test_the_drawing_of_the_floors_is_that_of_the_contract(root):
    made = subprocess.run([sys.executable, root / "docs" / "make_floors.py", "-"], capture_output=True, check=True)
    drawn = (root / "docs" / "pictures" / "floors.svg").read_text(encoding="utf-8")
    assert drawn == made.stdout.decode(), "run: python docs/make_floors.py"


def test_settings_page_has_every_key_with_its_option_and_an_example_that_is_read(root):
    from neurorecon.cli.options import SettingOption
    from neurorecon.core.settings import from_dict
    from neurorecon.pipeline import ReconstructSettings

    text = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    (example,) = fenced(text, "toml")
    assert from_dict(ReconstructSettings, tomllib.loads(example)).trace.soma == ((8.0, 20.0, 20.5),)
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", text, re.M))
    stages = [type(getattr(ReconstructSettings(), stage.name)) for stage in dataclasses.fields(ReconstructSettings)]
    assert list(rows) == [field.name for stage in stages for field in dataclasses.fields(stage)]
    command = main.get_command(click.Context(main), "run")
    options = [option for option in command.params if isinstance(option, SettingOption)]
    assert len(options) >= 13
    for option in options:
        assert f"`{option.opts[0]}`" in rows[option.fills]


def test_every_option_of_every_command_is_explained():
    context = click.Context(main)
    for name in SUMMARIES:
        command = main.get_command(context, name)
        commands = command.commands.values() if isinstance(command, click.Group) else [command]
        for one in commands:
            assert one.get_short_help_str(), name
            for parameter in one.params:
                if isinstance(parameter, click.Option):
                    assert parameter.help, (name, parameter.opts)


def fenced(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_commands_of_the_readme_exist_with_their_options(root):
    lines = [
        line
        for block in fenced((root / "README.md").read_text(encoding="utf-8"), "sh")
        for line in block.splitlines()
        if line.startswith("neurorecon ")
    ]
    assert len(lines) >= 5
    context = click.Context(main)
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        command = main.get_command(context, words[0])
        assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_python_of_the_readme_compiles_and_uses_public_names(root):
    import neurorecon

    blocks = fenced((root / "README.md").read_text(encoding="utf-8"), "python")
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")
        for name in re.findall(r"neurorecon\.(\w+)", block):
            assert name in neurorecon.__all__


def test_links_to_files_of_the_checkout_lead_somewhere(root):
    for page in [*root.glob("*.md"), *root.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def pages_of(root):
    """The pages for users and contributors, by their names; changes of old versions may name what is gone."""
    paths = [path for path in (*root.glob("*.md"), *root.glob("docs/*.md")) if path.name != "CHANGELOG.md"]
    return {path: path.read_text(encoding="utf-8") for path in paths}


def test_links_to_a_heading_lead_to_one(root):
    for page, text in pages_of(root).items():
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            there = (page.parent / target).read_text(encoding="utf-8") if target else text
            headings = re.findall(r"^#+ (.*)$", there, re.M)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{page.name}: {target}#{anchor}"


def test_files_of_the_package_that_a_page_names_are_there(root):
    """A page names a file from the root of the checkout, or from a folder of the package that its text is about."""
    places = [
        root,
        *(path for path in (root / "neurorecon").rglob("*") if path.is_dir() and path.name != "__pycache__"),
    ]
    named = r"`((?:neurorecon|benchmarks|examples|tests|docs|[a-z_]+)/[\w/]+\.(?:py|md|toml|js))`"
    for page, text in pages_of(root).items():
        for name in re.findall(named, text):
            assert any((place / name).exists() for place in (root, root / "neurorecon", *places)), (
                f"{page.name}: {name}"
            )


def test_commands_of_all_pages_exist_with_their_options(root):
    context = click.Context(main)
    for page, text in pages_of(root).items():
        for line in [line for block in fenced(text, "sh") for line in block.replace("\\\n", " ").splitlines()]:
            words = shlex.split(line, comments=True)
            if words[:1] != ["neurorecon"]:
                continue
            command = main.get_command(context, words[1])
            assert command is not None, f"{page.name}: {line}"
            if isinstance(command, click.Group):
                command = command.get_command(context, words[2])
                assert command is not None, f"{page.name}: {line}"
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert used <= known | {"--help"}, f"{page.name}: {line}"


def test_readme_says_things_in_their_order(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.M)
    order = [
        "Install",
        "Your first stack",
        "Is the result good?",
        "If it is not",
        "Many stacks",
        "Huge volumes",
        "What it does not do",
        "Results",
        "Models",
        "Documentation",
        "Licence",
    ]
    assert headings == order
    assert "make demo" in text
    assert "make test" in text


def test_readme_is_short(root):
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 140
    assert max(map(len, lines)) <= 120


def test_readme_leads_to_every_page(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    for page in root.glob("docs/*.md"):
        assert f"](docs/{page.name})" in text, page.name


def test_picture_of_the_steps_is_made_by_its_script(root):
    import runpy

    made = runpy.run_path(str(root / "docs" / "make_steps.py"))["drawing"]()
    assert (root / "docs" / "pictures" / "steps.svg").read_text(encoding="utf-8") == made


def test_citation_and_changelog_are_of_this_version(root):
    import neurorecon

    assert f"version: {neurorecon.__version__}\n" in (root / "CITATION.cff").read_text()
    assert f"## {neurorecon.__version__}" in (root / "CHANGELOG.md").read_text()


def test_licence_is_said_alike_everywhere(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["license"] == "GPL-3.0-or-later"
    assert "license: GPL-3.0-or-later" in (root / "CITATION.cff").read_text()
    assert "GPL-3.0-or-later" in (root / "README.md").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in (root / "LICENSE").read_text()
