"""What is known of versions, as it is stored."""

from __future__ import annotations

import pytest

from upshift_controller.sources.rollouts.knowledge import decode

TIMES = b'{"began":1,"looked":1,"resumed":1'
A = b'{"service.name":"a"}'
SERVICES = [
    b"7", b"[7]", b"[[[],\"\",{}]]", b"[[{},\"\",{}]]", b'[[{"a":"b"},"",{}]]',
    b'[[{"service.name":1},"",{}]]', b'[[{"service.name":"a\\nb"},"",{}]]',
    b'[[{"service.name":"%s"},"",{}]]' % (b"a" * 300),
    b'[[%s,7,{}]]' % A, b'[[%s,"",7]]' % A, b'[[%s,"",%s]]' % (A, b"[" * 100_000),
    b'[[%s,"",{"1":7}]]' % A, b'[[%s,"",{"1":[true,1]}]]' % A,
    b'[[%s,"",{"1":[true,1,1,"so",true]}]]' % A, b'[[%s,"",{"1":[true,1,1,[],true]}]]' % A,
    b'[[%s,"",{"1":[1,1,1,"first",true]}]]' % A, b'[[%s,"",{"1":[true,1e9,1,"first",true]}]]' % A,
    b'[[%s,"",{"a\\n":[true,1,1,"first",true]}]]' % A,
]  # fmt: skip  # one a line would fill the screen


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"[]",
        b"{}",
        TIMES + b"}",
        TIMES.replace(b'"began":1', b'"began":-1') + b',"services":[]}',
        TIMES.replace(b'"looked":1', b'"looked":true') + b',"services":[]}',
        *(TIMES + b',"services":%s}' % it for it in SERVICES),
    ],
    ids=lambda it: str(it[-50:]),
)
def test_what_nobody_wrote_is_refused(stored: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode(stored)


def test_what_was_written_is_read() -> None:
    version = b'[[%s,"1",{"1":[true,1,1,"first",true]}]]' % A
    assert decode(TIMES + b',"services":%s}' % version).services
