"""The life cycle of a node, through the services that a lifecycle manager calls."""

from __future__ import annotations

import time

import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Header

from realhands.msg import HandMesh, HandMeshArray
from realhands_ros.configuration.parameters import Parameter
from realhands_ros.errors import ConfigError, ModelFileError
from realhands_ros.nodes.stage_node import StageNode
from realhands_ros.system.executable import start

PATIENCE_S = 20.0


class EchoNode(StageNode):
    """Publishes what it is sent; breaks as its switches say."""

    def __init__(self, **options):
        table = (
            Parameter('autostart', True, 'As in the other nodes.'),
            Parameter('diagnostics_period', 0.1, 'As in the other nodes.', low=0.1, high=60.0),
        )
        super().__init__('echo_node', table, **options)
        self.loads_fail_with = None
        self.facts_fail = False
        self.loaded = 0

    def load(self):
        self._echo = self.add_output(HandMeshArray, 'echo')
        if self.loads_fail_with is not None:
            raise self.loads_fail_with
        self.loaded = 1

    def listen(self):
        self.add_input(HandMeshArray, 'source', self.accept)

    def process(self, item):
        if len(item.hands) == 2:
            raise ValueError('two hands are too many')
        self._echo.publish(item)
        return item.header, len(item.hands)

    def give_up(self, item):
        raise RuntimeError('cannot even give up')

    def facts(self):
        if self.facts_fail:
            raise RuntimeError('no facts')
        return {}

    def unload(self):
        self.loaded = 0


class Manager:
    """What a lifecycle manager does, and a source and a sink."""

    def __init__(self, domain):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = EchoNode(context=self.context)
        self.helper = rclpy.create_node('manager', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        for node in (self.node, self.helper):
            self.executor.add_node(node)
        self.echoes, self.diagnostics = [], []
        self.source = self.helper.create_publisher(HandMeshArray, 'source', 10)
        self.helper.create_subscription(HandMeshArray, 'echo', self.echoes.append, 10)
        self.helper.create_subscription(
            DiagnosticArray, '/diagnostics', self.diagnostics.append, 10
        )
        self._change = self.helper.create_client(ChangeState, 'echo_node/change_state')
        self._state = self.helper.create_client(GetState, 'echo_node/get_state')

    def close(self):
        self.node.end()
        self.executor.shutdown()
        self.node.destroy_node()
        self.helper.destroy_node()
        self.context.shutdown()

    def wait(self, is_true, what):
        end = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < end, f'waited in vain for {what}'
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, client, request):
        self.wait(client.service_is_ready, client.srv_name)
        future = client.call_async(request)
        self.wait(future.done, f'an answer of {client.srv_name}')
        return future.result()

    def change(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(self._change, request).success

    @property
    def state(self):
        return self.call(self._state, GetState.Request()).current_state.id

    def echoes_one(self):
        """Return whether a message comes back."""
        self.wait(lambda: self.source.get_subscription_count() > 0, 'the subscription')
        before = len(self.echoes)
        self.source.publish(HandMeshArray(header=Header(frame_id=str(before))))
        self.wait(lambda: len(self.echoes) > before, 'the echo')
        return self.echoes[-1].header.frame_id == str(before)

    def diagnosis(self, state):
        """Return the next status that tells of a state."""
        self.diagnostics.clear()

        def found():
            return [
                status
                for message in self.diagnostics
                for status in message.status
                if {value.key: value.value for value in status.values}['state'] == state
            ]

        self.wait(lambda: bool(found()), f'diagnostics of {state}')
        return found()[-1]


@pytest.fixture
def manager(ros_domain):
    manager = Manager(ros_domain)
    yield manager
    manager.close()


def test_a_manager_takes_the_node_through_its_life(manager):
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    assert manager.diagnosis('unconfigured').level == DiagnosticStatus.WARN
    for _ in range(2):
        assert manager.change(Transition.TRANSITION_CONFIGURE)
        assert manager.node.loaded == 1
        for _ in range(2):
            assert manager.source.get_subscription_count() == 0
            assert manager.change(Transition.TRANSITION_ACTIVATE)
            assert manager.state == State.PRIMARY_STATE_ACTIVE
            assert manager.echoes_one()
            assert manager.diagnosis('active').name == '/echo_node'
            assert manager.change(Transition.TRANSITION_DEACTIVATE)
            assert manager.state == State.PRIMARY_STATE_INACTIVE
            manager.wait(lambda: manager.source.get_subscription_count() == 0, 'silence')
        assert manager.change(Transition.TRANSITION_CLEANUP)
        assert manager.node.loaded == 0
    assert manager.change(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert manager.state == State.PRIMARY_STATE_FINALIZED


def test_an_active_node_may_be_shut_down(manager):
    assert manager.change(Transition.TRANSITION_CONFIGURE)
    assert manager.change(Transition.TRANSITION_ACTIVATE)
    assert manager.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert manager.state == State.PRIMARY_STATE_FINALIZED
    assert manager.node.loaded == 0


@pytest.mark.parametrize('error', [ModelFileError('no such model'), ValueError('a bug')])
def test_what_cannot_be_loaded_now_may_be_later(manager, error):
    manager.node.loads_fail_with = error
    assert not manager.change(Transition.TRANSITION_CONFIGURE)
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    with pytest.raises(ConfigError, match='echo_node cannot start'):
        start(manager.node)
    manager.node.loads_fail_with = None
    start(manager.node)
    assert manager.state == State.PRIMARY_STATE_ACTIVE
    assert manager.echoes_one()


def test_diagnostics_tell_of_frames(manager):
    start(manager.node)
    assert manager.echoes_one()

    def published():
        values = {v.key: v.value for v in manager.diagnosis('active').values}
        return values['published since the start'] == '1'

    manager.wait(published, 'the count')


def test_a_bug_does_not_end_the_work(manager):
    """Nor one in what is done about the first one."""
    start(manager.node)
    assert manager.echoes_one()
    manager.source.publish(HandMeshArray(hands=[HandMesh(), HandMesh()]))

    def is_reported():
        values = manager.diagnosis('active').values
        return any('cannot even give up' in value.key for value in values)

    manager.wait(is_reported, 'the complaint')
    assert manager.echoes_one()


@pytest.mark.parametrize(
    'data', [b'', b'\0\1\0\0', b'\0\1\0\0' + 40 * b'\xff'], ids=['none', 'cut', 'garbage']
)
def test_bytes_that_are_no_message_are_survived(manager, data):
    """As of a process that was killed while it wrote."""
    start(manager.node)
    assert manager.echoes_one()
    manager.source.publish(data)
    manager.wait(
        lambda: 'bytes are no HandMeshArray' in str(manager.node.health._reasons), 'the complaint'
    )
    assert manager.echoes_one()


def test_a_bug_in_diagnostics_is_survived(manager):
    start(manager.node)
    manager.node.facts_fail = True
    manager.wait(lambda: 'no facts' in str(manager.node.health._reasons), 'the complaint')
    manager.node.facts_fail = False
    assert manager.echoes_one()
    assert manager.diagnosis('active')


@pytest.mark.parametrize('seconds', [-5, 0, 2**31 - 1])
def test_any_stamp_will_do(manager, seconds):
    start(manager.node)
    assert manager.echoes_one()
    message = HandMeshArray()
    message.header.stamp.sec = seconds
    for _ in range(2):  # the second one is worked on after the first one was counted
        before = len(manager.echoes)
        manager.source.publish(message)
        manager.wait(lambda n=before: len(manager.echoes) > n, 'the echo')
