"""The one Jinja environment of the project: every generated text comes out of `render`."""

from functools import cache
from typing import Any

import jinja2

from gan2hls.resources import resource


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource("templates")),
        undefined=jinja2.StrictUndefined,  # a misspelt name is an error instead of a hole in the hardware
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the output is source code; an HTML template asks for escaping itself
    )


def render(template: str, **values: Any) -> str:
    """Text of a template under `templates/`, e.g. "hls/config.h.j2"; the same values give the same bytes.

    Raises:
        jinja2.UndefinedError: the template uses a name that is not among the values.
    """
    return _environment().get_template(template).render(**values)
