"""What an error says."""

import pytest

from gan2hls.errors import UserError


def message_of(call, *arguments, **options) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)
