"""The user of `deploy/redis/users.acl` that host agents have."""

from security.test_redis_users import KEYS, every_key, may_run, refused, server
from security.users import Users
from servers import eventually
from upshift_agent import Agent
from upshift_agent.testing import RecordingDriver
from upshift_host.running.occupied import Known, Occupied
from upshift_host.workload import Process

__all__ = ["server"]


def test_a_host_agent_may_do_what_an_agent_may_and_read_statuses(server: Users) -> None:
    assert may_run(server, "HOST") - may_run(server, "AGENT") == {"hvals"}
    assert may_run(server, "AGENT") <= may_run(server, "HOST")
    with server.as_("HOST") as host:
        for what, key in every_key().items():
            assert refused(host, "HVALS", key) == (what != "agents"), what
            assert refused(host, "GET", key) == (what != "plan"), what


def test_a_host_agent_does_all_its_work_under_its_user(server: Users) -> None:
    url = server.url_of("HOST")
    occupied = Occupied(url, KEYS.namespace)
    with Agent(redis_url=url, service="checkout", driver=RecordingDriver()) as agent:
        eventually(lambda: agent.connected and agent.status and agent.status.applied)
        process = Process(1, 1)
        occupied.start()
        occupied.want({"checkout": {process: Known(1, 1, frozenset())}}, 0.0)
        eventually(lambda: occupied.by_an_sdk(process) is False)
        occupied.stop()
    assert server.denials() == []
