"""Finished exchanges for tests that care about little more than where one went."""

from __future__ import annotations

from datetime import UTC, datetime

from evidencekit.capture.exchanges import Exchange, ExchangeOutcome

AT = datetime(2026, 11, 23, tzinfo=UTC)


def exchange_with(url: str, peer: str | None, *, state: str = "secure") -> Exchange:
    """A recorded GET over TLS; `peer` is the address that answered, `state` what it said of the certificate."""
    return Exchange(
        id="000001",
        page="0001",
        url=url,
        method="GET",
        resource_type="Document",
        initiator="other",
        target="page",
        outcome=ExchangeOutcome.RECORDED,
        reason=None,
        started=AT,
        finished=AT,
        after_t_capture=False,
        from_cache=False,
        from_service_worker=False,
        redirected_from=None,
        redirected_to=None,
        protocol="h2",
        remote_address=peer,
        security={"protocol": "TLS 1.3", "cipher": "AES_128_GCM", "state": state},
        request_headers=(),
        request_body=None,
        response=None,
        response_body=None,
        encoded_size=None,
    )
