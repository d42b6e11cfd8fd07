"""The command line of every command."""

from shift_stac.usage import PlainParser


def test_a_list_of_numbers_that_begins_with_a_minus_is_a_value():
    parser = PlainParser()
    parser.add_argument("--box")
    parser.add_argument("--force", action="store_true")
    found = parser.parse_args(["--box", "-120,34,-119.5,35", "--force"])
    assert vars(found) == {"box": "-120,34,-119.5,35", "force": True}
