"""The tests' own ports: a server that is down keeps its place."""

from hg import Port


class OnlyPort(Port):
    RANGE = (Port().number,)


def test_a_port_is_nobody_elses_while_nobody_listens_on_it():
    port = OnlyPort()
    try:
        OnlyPort()
    except AssertionError:
        pass
    else:
        raise AssertionError(f"{port.number} was given twice")
    del port
    assert OnlyPort().number in OnlyPort.RANGE
