"""BUS-25, DST-05: times of leases that cannot work together are refused, and only where nodes share the streams."""

from __future__ import annotations

import pytest

from engine.base.errors import ConfigError
from engine.config.load import load_config

ON = "bus.coordination.enabled=true"


@pytest.mark.parametrize(
    ("sets", "key"),
    [
        (("bus.coordination.lease_renew_ms=900",), "bus.coordination.lease_renew_ms"),
        (("bus.coordination.lease_margin_ms=667",), "bus.coordination.lease_renew_ms"),
        (("bus.coordination.lease_ttl_ms=2501",), "bus.claim_idle_ms"),
        (("bus.claim_idle_ms=1999",), "bus.claim_idle_ms"),
    ],
)
def test_times_that_cannot_be_are_named(sets: tuple[str, ...], key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(None, (ON, *sets), {})
    assert key in str(raised.value.faults)
    if "bus.coordination" not in sets[0]:
        load_config(None, sets, {})


def test_times_at_the_edge_are_taken() -> None:
    load_config(None, (ON, "bus.coordination.lease_renew_ms=899"), {})
    load_config(None, (ON, "bus.coordination.lease_margin_ms=666"), {})
    load_config(None, (ON, "bus.coordination.lease_ttl_ms=2500"), {})
    load_config(None, (ON, "bus.claim_idle_ms=2000"), {})
