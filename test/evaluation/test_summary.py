from realhands_ros.evaluation.summary import text_table


def test_columns_are_aligned():
    table = text_table(('', 'error mm'), [('network', '9.4'), ('mean', '16.25')])
    assert table.splitlines() == [
        '|         | error mm |',
        '| ------- | -------: |',
        '| network |      9.4 |',
        '| mean    |    16.25 |',
    ]
