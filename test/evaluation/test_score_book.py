import numpy as np

from realhands_ros.evaluation.score_book import ScoreBook


def test_means_are_over_the_chosen_hands_that_have_the_metric():
    book = ScoreBook()
    for value in (1.0, 2.0, 6.0):
        book.add('a', {'error': value})
    book.add('a', None)
    assert book.mean('a', 'error') == 3.0
    assert book.mean('a', 'error', [True, True, False, True]) == 1.5
    assert book.count('a') == 3
    assert book.count('a', [True, False, False, True]) == 1
    np.testing.assert_array_equal(book.column('a', 'error'), [1, 2, 6, np.nan])


def test_what_is_not_there_is_nan():
    book = ScoreBook()
    book.add('a', {'error': 1.0})
    assert np.isnan(book.mean('a', 'other'))
    assert np.isnan(book.mean('b', 'error'))
    assert np.isnan(book.mean('a', 'error', [False]))
