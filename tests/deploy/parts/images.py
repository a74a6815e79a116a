"""The images of deploy/docker."""

from deploy.table import Row
from deploy.versions import said_by

_TESTS = "deploy/real/test_images.py"


def _buildah() -> str:
    return "by buildah " + said_by("buildah", "--version")


ROWS = [
    Row(
        part=f"{image} image",
        version=_buildah,
        how="real",
        tests=tuple(
            f"{_TESTS}::{it}"
            for it in (
                "test_it_is_small_and_has_no_shell_and_no_installer",
                "test_what_is_installed_is_what_the_lock_says",
                *tests,
            )
        ),
        note="built on Debian's own packages, for no registry was to be had; run by runc",
    )
    for image, tests in {
        "controller": (
            "test_its_user_is_not_root_and_is_a_number",
            "test_the_controller_serves_on_a_read_only_root_without_any_right",
            "test_with_a_shell_missing_every_verb_still_says_what_it_does",
        ),
        "host agent": (
            "test_the_host_agent_profiles_other_containers_processes_with_three_rights",
        ),
        "demo": (),
    }.items()
]
