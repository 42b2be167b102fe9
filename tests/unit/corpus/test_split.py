from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dcpt.corpus.split import digest_is_heldout, document_digest, take_under_caps

SHARE = st.floats(0, 1)


def is_heldout(text, share):
    return digest_is_heldout(document_digest(text), share)


@given(st.text(), SHARE, SHARE)
def test_a_larger_share_holds_out_what_a_smaller_one_does(text, one, other):
    if is_heldout(text, min(one, other)):
        assert is_heldout(text, max(one, other))
    assert not is_heldout(text, 0.0)
    assert is_heldout(text, 1.0)


def test_the_share_of_documents_is_about_what_was_asked_for():
    # 20000 documents at 5 %: a binomial with mean 1000 and standard deviation 31.
    held = sum(is_heldout(f"document {number}", 0.05) for number in range(20000))
    assert abs(held - 1000) < 4 * 31


def test_a_known_document_stays_on_its_side():
    # SHA-256 of the empty string starts e3b0c442 (FIPS 180-4 test vector): 0.889... of the range.
    assert not is_heldout("", 0.889)
    assert is_heldout("", 0.890)


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=20),
    st.integers(1, 25),
    st.integers(1, 25),
    st.integers(1, 300),
    st.integers(1, 300),
)
def test_caps_hold_and_smaller_ones_take_subsets(sizes, few, many, little, much):
    digests = [document_digest(str(number)) for number in range(len(sizes))]
    few, many = sorted((few, many))
    little, much = sorted((little, much))
    small = take_under_caps(digests, sizes, few, little).tolist()
    large = take_under_caps(digests, sizes, many, much).tolist()
    assert len(small) <= few
    assert sum(sizes[place] for place in small) <= little
    assert set(small) <= set(large)
    assert large == sorted(large)
    assert take_under_caps(digests, sizes, None, None).tolist() == list(range(len(sizes)))
