"""Which tests hold the cases that the original's own tests leave open, by their numbers there."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
HERE = "apis/inference_requests"
CASES = {
    "T1 all faults at once, to the letter": [
        f"{HERE}/test_validation.py::test_tells_everything_in_order",
        f"{HERE}/test_validation.py::test_says_all_about_an_empty_one",
        f"{HERE}/test_wire.py::test_tells_all_that_is_wrong",
    ],
    "T2 the answer's key is transactionId": [f"{HERE}/test_wire.py::test_accepts_with_three_ids"],
    "T3 words in any case, as numbers, and wrong": [
        f"{HERE}/test_schema.py::test_knows_a_word_in_any_case_by_its_members_name_and_by_number",
        f"{HERE}/test_schema.py::test_says_where_a_word_is_wrong",
        f"{HERE}/test_wire.py::test_tells_where_a_body_does_not_fit",
    ],
    "T4 priorities": [
        f"{HERE}/test_schema.py::test_reads_a_priority",
        f"{HERE}/test_schema.py::test_refuses_a_priority_that_is_no_byte",
        f"{HERE}/test_schema.py::test_refuses_null_as_a_priority",
        f"{HERE}/test_wire.py::test_maps_a_priority_to_the_platforms_word",
    ],
    "T5 baseUri and apiKey": [f"{HERE}/test_schema.py::test_takes_the_later_of_two_names_of_one_thing"],
    "T6 no interface means Algorithm": [
        f"{HERE}/test_schema.py::test_takes_a_resource_without_interface_for_an_algorithm"
    ],
    "T7 the first of two algorithms": [f"{HERE}/test_wire.py::test_takes_the_first_of_two_algorithms"],
    "T8 null in every place": [
        f"{HERE}/test_validation.py::test_asks_for_sources_and_an_algorithm",
        f"{HERE}/test_validation.py::test_lets_outputs_be_absent_but_not_null",
        f"{HERE}/test_wire.py::test_null_in_a_list_is_a_fault_and_no_crash",
    ],
    "T9 transaction IDs again, and ids that are both": [
        f"{HERE}/test_wire.py::test_gives_the_same_answer_to_the_same_request_again",
        f"{HERE}/test_wire.py::test_refuses_another_request_under_the_same_transaction_id",
        f"{HERE}/test_wire.py::test_can_take_every_repetition_for_a_job_of_its_own",
        f"{HERE}/test_wire.py::test_prefers_the_transaction_where_an_id_is_both",
    ],
    "T10 the end outlives a restart": [f"{HERE}/test_workflow.py::test_keeps_its_end_across_a_restart"],
    "T11 a crash in the middle": [
        f"{HERE}/test_workflow.py::test_goes_on_after_a_restart_and_exports_once",
        "integration/test_requests_killed.py::test_sqlite_loses_nothing_and_keeps_no_secret",
        "integration/test_requests_killed.py::test_postgresql_with_two_gateways_loses_nothing_and_keeps_no_secret",
    ],
    "T12 base URIs with and without their slash": [
        f"{HERE}/test_retrieval.py::test_adds_the_slash_that_a_base_uri_lacks"
    ],
    "T13 special characters in what is searched for": [
        f"{HERE}/test_retrieval.py::test_asks_for_a_value_as_it_is",
        f"{HERE}/test_retrieval.py::test_finds_a_patient",
        f"{HERE}/test_retrieval.py::test_refuses_values_that_match_more_than_one",
    ],
    "T14 no path out of what callers and instances say": [
        f"{HERE}/test_wire.py::test_makes_no_path_of_a_transaction_id",
        f"{HERE}/test_retrieval.py::test_makes_no_path_of_a_fhir_resource",
        f"{HERE}/test_retrieval.py::test_makes_no_path_of_a_uid",
        f"{HERE}/test_retrieval.py::test_makes_no_path_of_what_an_instance_says",
    ],
    "T15 what a search may answer": [
        f"{HERE}/test_retrieval.py::test_ends_where_nothing_is_found",
        f"{HERE}/test_retrieval.py::test_tries_four_times_what_a_source_does_not_answer",
        "outbound/test_dicomweb_faults.py::test_what_is_no_list_of_studies_fails_at_once",
    ],
    "T16 one of two studies is missing": [
        f"{HERE}/test_retrieval.py::test_goes_on_with_a_part_after_four_attempts"
    ],
    "T17 FHIR that fails twice, is missing, is XML": [
        f"{HERE}/test_retrieval.py::test_reads_fhir_resources_with_the_asked_media_type",
        "outbound/test_fhir.py::test_each_attempt_is_a_fresh_request",
        "outbound/test_fhir.py::test_a_resource_that_is_not_there_stays_so",
    ],
    "T18 the first of two sources is down": [
        f"{HERE}/test_retrieval.py::test_falls_back_to_the_next_source_and_no_further",
        f"{HERE}/test_retrieval.py::test_falls_back_where_the_first_source_is_down",
    ],
    "T19 a patient in two archives": [f"{HERE}/test_retrieval.py::test_keeps_the_union_of_what_sources_find"],
    "T20 what outputs may answer": [
        f"{HERE}/test_export.py::test_believes_what_an_output_answers",
        f"{HERE}/test_export.py::test_serves_one_output_while_another_is_down",
        f"{HERE}/test_export.py::test_takes_half_for_enough_and_says_what_is_missing",
        f"{HERE}/test_export.py::test_sends_to_each_output",
        f"{HERE}/test_export.py::test_leaves_an_output_that_does_not_answer_in_time",
        "outbound/test_stow.py::test_a_batch_is_of_ten_or_of_some_bytes",
    ],
    "T21 names of jobs": [f"{HERE}/test_workflow.py::test_names_a_job_for_people"],
    "T22 a full disk": [
        f"{HERE}/test_retrieval.py::test_waits_for_disk_space_and_goes_on",
        f"{HERE}/test_export.py::test_waits_for_disk_space_before_it_exports",
    ],
    "T23 nothing stays on disk": [f"{HERE}/test_retrieval.py::test_leaves_nothing_on_disk"],
    "T24 no credential anywhere": [
        f"{HERE}/test_retrieval.py::test_says_nothing_of_patients_and_credentials",
        f"{HERE}/test_workflow.py::test_erases_credentials_at_the_end_and_keeps_none_in_clear",
        f"{HERE}/test_schema.py::test_shows_no_credential_that_does_not_fit",
    ],
    "T25 Triton is away": [
        f"{HERE}/test_wire.py::test_says_that_triton_is_away",
        f"{HERE}/test_export.py::test_tries_again_what_triton_answers_badly",
        f"{HERE}/test_export.py::test_says_that_it_waits_for_triton_and_goes_on",
    ],
    "T26 other types, sizes, methods and paths": [
        f"{HERE}/test_wire.py::test_takes_json_alone",
        f"{HERE}/test_wire.py::test_bounds_the_body",
        f"{HERE}/test_wire.py::test_knows_its_paths_in_any_case_and_no_others",
    ],
    "T27 a hundred at once, and one that overtakes": [
        f"{HERE}/test_wire.py::test_takes_a_hundred_requests_at_once",
        f"{HERE}/test_workflow.py::test_lets_an_immediate_request_overtake",
    ],
}


def test_there_are_twenty_seven():
    assert [case.split()[0] for case in CASES] == [f"T{number}" for number in range(1, 28)]


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_held_by_tests_that_exist(case):
    for test in CASES[case]:
        file, _, name = test.partition("::")
        functions = {
            node.name
            for node in ast.walk(ast.parse((TESTS / file).read_text("utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name in functions, test
