"""DAMON's tracepoints, read in binary from a trace instance of our own."""

from damon_tuner.kernel_iface.tracing.aggregations import Aggregation, AggregationReader
from damon_tuner.kernel_iface.tracing.formats import EventFormat, PageLayout
from damon_tuner.kernel_iface.tracing.instance import TraceInstance
from damon_tuner.kernel_iface.tracing.pages import Record, records_of

__all__ = [
    "Aggregation",
    "AggregationReader",
    "EventFormat",
    "PageLayout",
    "Record",
    "TraceInstance",
    "records_of",
]
