from datetime import timedelta

from gateway.imaging.results import encoded, uid, vhs_results
from tests.dicom_results import STAMP, VHS_MODEL, assessment, source


def made(stamp, header=None):
    return vhs_results(header or source(), assessment(), None, model=VHS_MODEL, stamp=stamp)[0]


def test_derives_a_valid_uid():
    one = uid("job", "1.2.3", "sr")
    assert one.is_valid
    assert one.startswith("2.25.")
    assert one == uid("job", "1.2.3", "sr") == "2.25.258086517110430495503693651402842639393"


def test_tells_parts_apart():
    parts = [("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("a", "bc", "")]
    assert len({uid(*each) for each in parts}) == len(parts)


def test_another_job_is_another_object():
    other = made(STAMP._replace(job_id="other"))
    assert other.SOPInstanceUID != made(STAMP).SOPInstanceUID
    assert other.SeriesInstanceUID != made(STAMP).SeriesInstanceUID


def test_a_job_s_results_of_one_kind_share_a_series():
    second = source()
    second.SOPInstanceUID = "1.2.3.5"
    other = made(STAMP._replace(number=2), second)
    assert other.SeriesInstanceUID == made(STAMP).SeriesInstanceUID
    assert other.SOPInstanceUID != made(STAMP).SOPInstanceUID
    assert other.InstanceNumber == 2


def test_a_later_attempt_overwrites_the_earlier_one():
    later = made(STAMP._replace(at=STAMP.at + timedelta(hours=1)))
    assert later.SOPInstanceUID == made(STAMP).SOPInstanceUID
    assert encoded(later) != encoded(made(STAMP))
