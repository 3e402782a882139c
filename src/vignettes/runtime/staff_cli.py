"""The commands of `vignettes staff`."""

from typing import Annotated

import typer
from rich import box
from rich.table import Table

from vignettes.runtime.console import AsJson, out, settings_for
from vignettes.services.web.staff_members import NAME, StaffRole

staff_app = typer.Typer(help="Who may open the pages of staff, and as what.", no_args_is_help=True)


def _named(text: str) -> str:
    if not NAME.fullmatch(text):
        raise typer.BadParameter(
            f"{text}: at most 64 small letters, digits and . _ @ -, beginning with one of the first two."
        )
    return text


Name = Annotated[
    str, typer.Argument(parser=_named, metavar="NAME", help="As the history is to call them, such as duty-1.")
]


@staff_app.command("add")
def staff_add(
    name: Name,
    *,
    roles: Annotated[
        list[StaffRole],
        typer.Option("--role", help="What they are there for; may be given several times."),
    ],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Give a member these roles and a new token; the old one is void."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody in, at once. Their token is printed this one time; only its SHA-256 is kept."""
    from vignettes.runtime import staffing  # noqa: PLC0415  # --help needs no keys

    settings = settings_for("staff")
    path = staffing.staff_file(settings)
    token = staffing.add(path, name, roles, replace=replace)
    if as_json:
        out.print_json(data={"name": name, "roles": sorted(set(roles)), "token": token, "file": str(path)})
        return
    out.print(f"{name} may sign in at {settings.public_url}/sign-in with this token, shown this one time:")
    out.print(f"\n  {token}\n", highlight=False, soft_wrap=True)
    if settings.staff_file is None:
        out.print(f"`vignettes serve web` needs VIGNETTES_STAFF_FILE={path}", highlight=False, soft_wrap=True)


@staff_app.command("list")
def staff_list(*, as_json: AsJson = False) -> None:
    """Show who may sign in with a token, and as what. Those whom an identity provider knows are not listed."""
    from vignettes.runtime import staffing  # noqa: PLC0415

    found = sorted(staffing.members(staffing.staff_file(settings_for("staff"))).items())
    if as_json:
        out.print_json(
            data=[
                {"name": name, "roles": sorted(each.roles), "added_at": each.added_at.isoformat()}
                for name, each in found
            ]
        )
        return
    table = Table("Name", "Roles", "Token since", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, each in found:
        table.add_row(name, ", ".join(sorted(each.roles)), f"{each.added_at:%Y-%m-%d %H:%M}Z")
    out.print(table if found else "Nobody may sign in with a token.")


@staff_app.command("remove")
def staff_remove(name: Name, *, as_json: AsJson = False) -> None:
    """Let somebody in no longer: their token and their sessions open nothing from this moment on."""
    from vignettes.runtime import staffing  # noqa: PLC0415

    staffing.remove(staffing.staff_file(settings_for("staff")), name)
    if as_json:
        out.print_json(data={"removed": name})
    else:
        out.print(f"{name} may not sign in any more, and is signed out.")
