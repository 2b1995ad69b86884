from engine.orders.lifecycle import Transition
from engine.pools.lease import Lease
from engine.schema.order import VenueReport

FEES_MAX: int
"""Of one report, each in another asset: more than any venue takes for one fill."""

def put_report(lease: Lease, number: int, instrument_id: int, done: Transition, told: VenueReport, now_ns: int) -> None:
    """Fill an ExecReport that is leased, whole.

    Args:
        lease: of the event; not published.
        number: of the report in its stream, from 1 on.
        instrument_id: of the order's provider and symbol.
        done: what the report made of its order.
        told: the report itself.
        now_ns: when it is told.

    Raises:
        MisuseError: the lease has ended, or the event is published already.
        TypeError, ValueError: a value that the event cannot hold.
    """
