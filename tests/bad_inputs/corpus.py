"""All bad inputs, by name."""

from tests.bad_inputs import of_api, of_arrays, of_configs, of_files, of_options, of_weights
from tests.bad_inputs.case import Case

CASES: dict[str, Case] = {
    **of_files.CASES,
    **of_arrays.CASES,
    **of_weights.CASES,
    **of_options.CASES,
    **of_configs.CASES,
    **of_api.CASES,
}
