"""Who gets in, and what another site can make a browser do: by HTTP."""

from __future__ import annotations

import pytest
import requests

from controller.page.conftest import OPERATOR, VIEWER, Site
from upshift_controller.web.access.session import COOKIE

BOOST = {"target": "a", "kind": "boost", "hz": "99", "duration": "10m"}


def entered(at: Site, token: str) -> requests.Session:
    browser = requests.Session()
    answer = browser.post(f"{at.url}/login", data={"token": token}, timeout=10)
    assert answer.status_code == 200, answer.text
    return browser


def key(browser: requests.Session, at: Site) -> str:
    text = browser.get(at.url, timeout=10).text
    return text.partition('name="form_key" value="')[2].partition('"')[0]


def send(browser: requests.Session, at: Site, **changes: str) -> requests.Response:
    data = BOOST | {"form_key": key(browser, at)} | changes
    return browser.post(f"{at.url}/leases", data=data, timeout=10, allow_redirects=False)


def test_sessions_forms_and_headers_keep_others_out(here: Site) -> None:
    # Nobody sees anything without a session, and is led to where one begins.
    for path in ("/", "/target/service/a", "/preview?target=a"):
        answer = requests.get(here.url + path, allow_redirects=False, timeout=10)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login?next=%2F")
    for token in ("", "x" * 30, OPERATOR[:-1], "\x00é"):
        answer = requests.post(f"{here.url}/login", data={"token": token}, timeout=10)
        assert (answer.status_code, answer.cookies.get(COOKIE)) == (403, None)

    answer = requests.post(
        f"{here.url}/login?next=//evil.example",
        data={"token": OPERATOR},
        allow_redirects=False,
        timeout=10,
    )
    said = answer.headers["Set-Cookie"]
    assert answer.headers["Location"] == "/"
    assert "HttpOnly" in said
    assert "SameSite=Strict" in said
    assert OPERATOR not in said

    # Clickjacking, sniffing, inline scripts: each answer forbids them, errors as well.
    ann = entered(here, OPERATOR)
    for path in ("/", "/login", "/target/service/a", "/target/%7f", "/preview"):
        headers = ann.get(here.url + path, timeout=10).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert (headers["X-Frame-Options"], headers["Cache-Control"]) == ("DENY", "no-store")

    # A form works with the session's key only, and from this site only.
    assert send(ann, here, form_key="").status_code == 403
    assert send(ann, here, form_key="0" * 64).status_code == 403
    vic = entered(here, VIEWER)
    assert send(ann, here, form_key=key(vic, here) or "x").status_code == 403
    for header in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        ann.headers.update(header)
        assert send(ann, here).status_code == 403
        for name in header:
            del ann.headers[name]
    assert send(vic, here).status_code == 403  # a viewer's
    bare = requests.post(f"{here.url}/leases", data=BOOST, timeout=10, allow_redirects=False)
    assert bare.status_code == 401
    assert here.leases() == []

    # What is no form, or none of this size, is refused in words.
    assert ann.post(f"{here.url}/leases", json=BOOST, timeout=10).status_code == 415
    assert send(ann, here, reason="x" * 30_000).status_code == 413
    for page in (send(ann, here, hz="soon"), send(ann, here, hz="201")):
        assert page.status_code in (409, 422)
        assert "Hz" in page.text
    assert here.leases() == []

    granted = send(ann, here, reason="why not")
    assert (granted.status_code, granted.headers["Location"]) == (303, "/target/service/a")
    [lease] = here.leases()
    assert lease["because"] == {"by": "ann", "via": "page", "reason": "why not"}

    # The cookie is a key to the page, and none to the API; and it ends with its token.
    assert ann.get(f"{here.url}/api/v1/leases", timeout=10).status_code == 401
    (here.config.parent / "ann").write_text(OPERATOR[::-1])
    here.ask("POST", "/-/reload")
    assert "Sign in" in ann.get(here.url, timeout=10).text
    assert "Sign in" not in vic.get(here.url, timeout=10).text


@pytest.mark.parametrize("path", ["/", "/target/service/a", "/live"])
def test_another_name_for_this_machine_gets_nothing_where_there_are_no_tokens(
    open_site: Site, path: str
) -> None:
    headers = {"Host": "evil.example"}
    answer = requests.get(open_site.url + path, headers=headers, timeout=10)
    assert answer.status_code == 403
    foreign = {"Origin": "http://evil.example"}
    answer = requests.post(f"{open_site.url}/leases", data=BOOST, headers=foreign, timeout=10)
    assert answer.status_code == 403
    assert requests.get(open_site.url, timeout=10).status_code == 200
