"""What the four nodes have in common: life cycle, newest-first work, parameters, diagnostics."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from builtin_interfaces.msg import Time
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.lifecycle import LifecycleNode, LifecycleState, Publisher, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header

from realhands_ros.configuration.parameters import Parameter, ParameterTable, Value
from realhands_ros.errors import ConfigError, MessageError, RealhandsError
from realhands_ros.nodes.flow_control import Worker
from realhands_ros.nodes.health import Health, diagnostics_message, diagnostics_publisher
from realhands_ros.nodes.quality_of_service import RESULTS

# Declare a table of parameters on a node, and read them.


def declare_parameters(node: Node, table: ParameterTable) -> dict[str, Value]:
    """
    Declare parameters with description and range; return their values by name.

    They are read-only: a node reads them once. Raises ConfigError for a value of the wrong type or
    out of range.
    """
    return {parameter.name: _declare(node, parameter) for parameter in table}


def _declare(node: Node, parameter: Parameter) -> Value:
    try:
        declared = node.declare_parameter(
            parameter.name, parameter.default, descriptor(parameter)
        ).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        allowed = f' ({parameter.constraints})' if parameter.constraints else ''
        kind = type(parameter.default).__name__
        # ROS takes no 5 for a 5.0.
        point = ' and have a decimal point' if kind == 'float' else ''
        message = (
            f'{node.get_name()}: {parameter.name} must be of type {kind}{allowed}{point}: {error}'
        )
        raise ConfigError(message) from error
    parameter.check(declared)
    return declared


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Return the descriptor that tools such as rqt show."""
    described = ParameterDescriptor(
        description=parameter.description,
        additional_constraints=parameter.constraints,
        read_only=True,
    )
    if parameter.low is not None and parameter.high is not None:
        if isinstance(parameter.default, int):
            described.integer_range = [
                IntegerRange(from_value=int(parameter.low), to_value=int(parameter.high), step=1)
            ]
        else:
            described.floating_point_range = [
                FloatingPointRange(
                    from_value=float(parameter.low), to_value=float(parameter.high), step=0.0
                )
            ]
    return described


# Stamps as nanoseconds.


def nanoseconds(stamp: Time) -> int:
    """Return a stamp in nanoseconds since its epoch."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


# What the four nodes have in common: life cycle, newest-first work, diagnostics.

# Stamps that are further from the node's clock than this are of another time (a bag that is
# replayed without /clock): an age makes no sense then.
_LARGEST_AGE_MS = 60e3


class StageNode(LifecycleNode, ABC):
    """
    A lifecycle node around one stage: subscribe, convert, call the stage, convert, publish.

    Callbacks hand what came in to ``accept``; one worker thread calls ``process`` with the newest
    item, and what comes in while it is busy displaces what waits. Whatever ``process`` or a
    callback raises is counted, said once in a period, and survived.
    """

    def __init__(self, name: str, table: ParameterTable, **options: Any) -> None:
        """
        Declare the parameters of ``table``; ``options`` are those of rclpy's Node.

        Raises ConfigError for a parameter that cannot be.
        """
        super().__init__(name, **options)
        self.values: dict[str, Value] = declare_parameters(self, table)
        period_s = float(self.values['diagnostics_period'])
        self.health = Health(period_s)
        self._state = 'unconfigured'
        self._worker: Worker[Any] | None = None
        self._inputs: list[Any] = []
        self._outputs: list[Publisher] = []
        self._diagnostics = diagnostics_publisher(self)
        # By a clock of its own: where the simulated time stands still, that should be seen.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(period_s, self._publish_diagnostics, clock=steady)

    @abstractmethod
    def load(self) -> None:
        """Build the stage and its outputs; may raise RealhandsError."""

    @abstractmethod
    def listen(self) -> None:
        """Create the inputs."""

    @abstractmethod
    def process(self, item: Any) -> tuple[Header, int]:
        """Work on one item and publish the result; return its header and number of hands."""

    def give_up(self, item: Any) -> None:
        """Publish what says that an item could not be used; by default nothing."""

    def wait(self) -> None:
        """Return when the next item may be worked on; by default at once."""

    def afterwards(self) -> None:
        """Do what could wait until a result was out; by default nothing."""

    def unload(self) -> None:
        """Free what ``load`` built, as far as it came."""

    def facts(self) -> dict[str, str]:
        """Return what this node has to say in /diagnostics besides what all nodes say."""
        return {}

    def add_output(self, kind: type, topic: str, qos: QoSProfile = RESULTS) -> Publisher:
        """Create a publisher that is silent while the node is not active."""
        publisher = self.create_lifecycle_publisher(kind, topic, qos)
        self._outputs.append(publisher)
        return publisher

    def add_input(
        self,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        qos: QoSProfile = RESULTS,
        *,
        raw: bool = False,
    ) -> None:
        """
        Subscribe while the node is active; what ``callback`` raises is survived.

        With ``raw`` it gets the message as serialised bytes.
        """
        # Read here and not by the middleware: from what a process wrote while it was killed, that
        # tries for ever to make a message, and the executor with it.
        read = (lambda data: data) if raw else partial(_read, kind)

        @wraps(callback)
        def guarded(data: bytes) -> None:
            self._survive(lambda: callback(read(data)))

        self._inputs.append(self.create_subscription(kind, topic, guarded, qos, raw=True))

    def accept(self, item: Any) -> None:
        """Hand an item to the worker; an older one that still waits is dropped and counted."""
        self.health.received()
        if self._worker is not None and self._worker.offer(item):
            self.health.dropped()

    def complain(self, problem: Exception | str) -> None:
        """Count a problem and log it, once in a period; a bug with its traceback."""
        text = ' '.join(str(problem).split()) or type(problem).__name__
        is_bug = isinstance(problem, Exception) and not isinstance(problem, RealhandsError)
        if not self.health.problem(text):
            return
        if is_bug:
            self.get_logger().error(''.join(traceback.format_exception(problem)))
        else:
            self.get_logger().warning(text)

    def end(self) -> None:
        """End the work and free everything, in whatever state the node is."""
        self._free()
        self._state = 'finalized'

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the models; FAILURE, with the reason in the log, when that is impossible."""
        return self._transition('inactive', self.load, undo=self._free)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to work."""

        def begin() -> None:
            super(StageNode, self).on_activate(state)
            self._worker = Worker(self.get_name(), self._work, self.wait)
            self.listen()
            self.get_logger().info('ready')

        return self._transition('active', begin, undo=self._end_work)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Finish the frame in work and be silent."""

        def end() -> None:
            self._end_work()
            super(StageNode, self).on_deactivate(state)

        return self._transition('inactive', end)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the models."""
        return self._transition('unconfigured', self._free)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the work and free the models."""
        return self._transition('finalized', self._free)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin anew from unconfigured."""
        return self._transition('unconfigured', self._free)

    def _transition(
        self, target: str, change: Callable[[], None], undo: Callable[[], None] | None = None
    ) -> TransitionCallbackReturn:
        # An exception that leaves a transition ends in a state that no manager recovers from.
        try:
            change()
        except RealhandsError as error:
            self.get_logger().error(f'cannot become {target}: {error}')
        except Exception:  # noqa: BLE001
            self.get_logger().error(f'cannot become {target}:\n{traceback.format_exc()}')
        else:
            self._state = target
            return TransitionCallbackReturn.SUCCESS
        if undo is None:
            return TransitionCallbackReturn.ERROR
        undo()
        return TransitionCallbackReturn.FAILURE

    def _end_work(self) -> None:
        inputs, self._inputs = self._inputs, []
        for subscription in inputs:
            self.destroy_subscription(subscription)
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _drop_outputs(self) -> None:
        outputs, self._outputs = self._outputs, []
        for publisher in outputs:
            self.destroy_lifecycle_publisher(publisher)

    def _free(self) -> None:
        self._end_work()
        self._drop_outputs()
        self.unload()

    def _work(self, item: Any) -> None:
        start = time.perf_counter()
        try:
            header, hands = self.process(item)
        except Exception as error:  # noqa: BLE001 a node never dies of its input
            self.complain(error)
            self._survive(lambda: self.give_up(item))
            return
        stage_ms = 1e3 * (time.perf_counter() - start)
        self.health.published(hands, stage_ms, self._age_ms(header))
        self._survive(self.afterwards)

    def _age_ms(self, header: Header) -> float:
        age_ms = 1e-6 * (self.get_clock().now().nanoseconds - nanoseconds(header.stamp))
        return age_ms if abs(age_ms) < _LARGEST_AGE_MS else float('nan')

    def _publish_diagnostics(self) -> None:
        def publish() -> None:
            message = diagnostics_message(
                self.get_fully_qualified_name(),
                self.get_clock().now().to_msg(),
                self._state,
                self.health.report(),
                self.facts(),
            )
            self._diagnostics.publish(message)

        self._survive(publish)

    def _survive(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 a node never dies of its input
            self.complain(error)


def _read(kind: type, data: bytes) -> Any:
    """Return a message; MessageError when the bytes are none."""
    try:
        return deserialize_message(data, kind)
    # Which exception depends on the middleware.
    except Exception as error:
        message = f'{len(data)} bytes are no {kind.__name__} ({error}): the message is dropped'
        raise MessageError(message) from error
