"""A node's health as a message on /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Header

from realhands_ros.nodes.health import HealthReport, Spread


def diagnostics_publisher(node: Node) -> Publisher:
    """Return a publisher on /diagnostics, where aggregators expect it."""
    return node.create_publisher(DiagnosticArray, '/diagnostics', 10)


def diagnostics_message(
    name: str, stamp: Time, state: str, report: HealthReport, facts: Mapping[str, str]
) -> DiagnosticArray:
    """
    Return the message of one node.

    ERROR: frames came in and none could be used; WARN: some were dropped or bad; STALE: the node
    is active and nothing came in.
    """
    level, summary = _judge(state, report)
    values = {
        'state': state,
        'rate (Hz)': f'{report.rate_hz:.1f}',
        'received': str(report.received),
        'published': str(report.published),
        'dropped': str(report.dropped),
        'published since the start': str(report.total_published),
        'dropped since the start': str(report.total_dropped),
        'hands': str(report.hands),
        'stage time p50/p95/p99 (ms)': _spread(report.stage_ms),
        'age of results p50/p95/p99 (ms)': _spread(report.age_ms),
        **facts,
        **{f'problem: {reason}': str(count) for reason, count in report.problems.items()},
    }
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=summary,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    return DiagnosticArray(header=Header(stamp=stamp), status=[status])


def _judge(state: str, report: HealthReport) -> tuple[bytes, str]:
    if state != 'active':
        return DiagnosticStatus.WARN, f'the node is {state}'
    if report.problems:
        reason = max(report.problems, key=lambda each: report.problems[each])
        is_blind = report.published == 0
        return DiagnosticStatus.ERROR if is_blind else DiagnosticStatus.WARN, reason
    if report.received == 0:
        return DiagnosticStatus.STALE, 'nothing is received'
    if report.dropped:
        return DiagnosticStatus.WARN, f'{report.dropped} late frames dropped'
    return DiagnosticStatus.OK, f'{report.rate_hz:.1f} Hz'


def _spread(spread: Spread) -> str:
    return f'{spread.p50:.1f} / {spread.p95:.1f} / {spread.p99:.1f}'
