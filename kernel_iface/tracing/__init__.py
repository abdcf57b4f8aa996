"""DAMON's tracepoints, read in binary from a trace instance of our own."""

from damon_tuner.kernel_iface.tracing.aggregations import Aggregation, AggregationReader
from damon_tuner.kernel_iface.tracing.formats import EventFormat, PageLayout
from damon_tuner.kernel_iface.tracing.instance import TraceInstance
from damon_tuner.kernel_iface.tracing.pages import Record, records_of
from damon_tuner.kernel_iface.tracing.shared import SharedTrace, Tap, Trace

__all__ = [
    "Aggregation",
    "AggregationReader",
    "EventFormat",
    "PageLayout",
    "Record",
    "SharedTrace",
    "Tap",
    "Trace",
    "TraceInstance",
    "records_of",
]
