"""What a command line and a form say of a profile."""

from napari_unet.launchers.servers.profile.profile_fields import profile_fields


def test_every_field_says_what_it_is() -> None:
    for field in profile_fields():
        assert field.title and field.help.endswith(".")
        assert field.default or field.hint
