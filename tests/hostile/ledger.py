"""Bad input, line by line: what comes, and the tests that show how it is refused, who hears of it, and what goes on."""

_HERE = "tests/hostile"
_SUBJECTS = f"{_HERE}/test_subjects.py"
_READERS = f"{_HERE}/test_readers.py"
_HTTP = f"{_HERE}/test_http.py"
_BAD_INPUT = "tests/services/test_bad_input.py"
_FILES = "tests/services/statements/test_bad_files.py"
_IMPORTING = "tests/services/payments/test_importing.py"
_WATCHING = "tests/services/payments/test_watching.py"
_WEBHOOKS = "tests/services/test_webhooks.py"
_SIGNED = "tests/services/notices/test_signed_json.py"
_FINDING = "tests/services/test_finding.py"
_SUPPORT = "tests/services/test_support_page.py"
_ABUSES = "tests/services/order_page/test_abuses.py"
_CHANGING = "tests/services/order_page/test_changing.py"
_CORRECTING = "tests/services/order_page/test_correcting.py"
_DEADLINES = "tests/services/test_deadlines_service.py"
_LINKS = "tests/services/order_page/test_links.py"
_HEADS = "tests/services/mailing/test_heads.py"
_VEHICLE = "tests/domain/test_vehicle.py"

_ANY_FORM = f"{_SUBJECTS}::test_every_subject_refuses_what_is_no_request_and_takes_the_next_that_is_one"
_ANY_BODY = f"{_SUBJECTS}::test_whatever_comes_on_whichever_subject_is_answered"
_ANY_FIELD = f"{_BAD_INPUT}::test_whatever_can_not_be_read_is_refused_by_field_and_the_next_message_goes_on"
_ANY_FILE = f"{_READERS}::test_whatever_a_bank_file_holds_it_is_entries_or_a_refusal"
_ANY_ADDRESS = f"{_READERS}::test_whatever_stands_for_an_address_it_is_one_or_refused"
_ANY_PLATE = f"{_READERS}::test_whatever_stands_for_a_plate_it_is_one_or_refused"
_NO_FILE = f"{_FILES}::test_what_is_no_bank_file_is_refused_in_words"
_NO_PLATE = f"{_VEHICLE}::test_a_character_no_plate_has_is_refused_by_its_name"
_SAME_404 = f"{_LINKS}::test_a_wrong_cut_or_old_link_is_a_page_that_is_not_there"

LEDGER: dict[str, dict[str, tuple[str, ...]]] = {
    "nats": {
        "not JSON": (_ANY_FORM, _ANY_FIELD),
        "unknown version": (
            f"{_SUBJECTS}::test_a_version_or_field_that_nobody_knows_is_refused_by_its_name",
            "tests/faults/test_poison.py::test_only_the_order_of_an_unreadable_event_waits",
        ),
        "extra field": (
            f"{_SUBJECTS}::test_a_version_or_field_that_nobody_knows_is_refused_by_its_name",
            _ANY_FIELD,
        ),
        "missing field": (f"{_SUBJECTS}::test_a_field_that_is_missing_is_refused_by_its_name", _ANY_FIELD),
        "over-long JSON": (_ANY_FIELD,),
        "10,000-deep JSON": (_ANY_FORM, _ANY_FIELD),
        "NaN, 1e400, float money": (_ANY_FIELD, _ANY_BODY),
        "same id another body": (
            "tests/eventstore/test_append.py::test_another_body_under_the_same_id_is_refused",
            "tests/eventstore/test_group.py::test_another_body_under_the_same_id_is_refused_within_the_group",
        ),
        "repeated 1,000 times": (
            "tests/faults/test_same_command.py::test_a_command_sent_a_thousand_times_is_done_once",
        ),
        "payment before its order": (
            "tests/services/test_commands.py::test_an_unknown_order_is_not_found",
            "tests/domain/test_matching.py::test_an_order_of_which_nobody_knows",
        ),
        "a handler that always fails": (
            "tests/projections/test_parking.py::test_only_the_order_that_cannot_be_digested_waits",
            "tests/services/test_triggers.py::test_a_trigger_of_an_order_that_can_not_be_read_is_given_up_after_a_while",
            "tests/services/support/test_followers.py::test_what_always_fails_is_stepped_past",
            "tests/services/test_ops_actions.py::test_parked_orders_are_tried_again",
        ),
        "forbidden subject": ("tests/deploy/test_nats_users.py::test_each_is_refused_what_is_not_its_own",),
    },
    "http": {
        "wrong, cut, expired, rotated token": (
            _SAME_404,
            f"{_CHANGING}::test_the_link_of_a_reply_opens_the_page_and_a_renewed_one_closes_it",
        ),
        "HEAD and GET by scanners": (
            f"{_LINKS}::test_no_opening_of_a_link_changes_anything",
            f"{_LINKS}::test_head_is_answered_as_get_is_without_the_page",
            "tests/services/test_web.py::test_a_mail_scanner_that_follows_the_links_of_a_mail_starts_nothing",
        ),
        "missing or foreign CSRF token": (
            f"{_ABUSES}::test_a_form_that_our_page_did_not_send_changes_nothing",
            f"{_ABUSES}::test_a_proof_for_one_form_or_order_is_none_for_another",
            f"{_FINDING}::test_a_form_that_is_not_ours_asks_nothing",
            f"{_HTTP}::test_a_form_of_any_bytes_is_refused_as_one_that_is_not_ours",
        ),
        "double click": (
            f"{_ABUSES}::test_a_form_sent_twice_is_one_command",
            f"{_CHANGING}::test_a_start_pressed_twice_at_once_starts_once",
        ),
        "stale form": (
            f"{_CHANGING}::test_a_form_of_an_order_that_has_changed_since_shows_the_new_state_and_asks_again",
        ),
        "<script> in every field": (
            f"{_ABUSES}::test_whatever_is_typed_is_text_and_refused_beside_its_field",
            f"{_FINDING}::test_a_script_in_every_field_is_shown_and_never_obeyed",
            f"{_SUPPORT}::test_a_script_in_every_field_is_shown_and_never_obeyed",
            f"{_HTTP}::test_whatever_is_sent_to_a_page_it_is_no_error_of_ours_and_none_of_it_is_obeyed",
        ),
        "NUL, quotes": (
            f"{_ABUSES}::test_whatever_is_typed_is_text_and_refused_beside_its_field",
            f"{_ABUSES}::test_a_name_may_be_anything_but_a_header",
            f"{_HTTP}::test_every_answer_is_one_that_the_document_tells_of",
        ),
        "10,000 lookups": (
            f"{_FINDING}::test_lookups_by_a_stranger_learn_nothing_and_slow_nobody_else",
            f"{_FINDING}::test_the_time_tells_nothing",
            f"{_FINDING}::test_whatever_can_not_be_opened_the_page_is_the_same",
        ),
        "one victim's mailbox": (
            f"{_SUPPORT}::test_one_victims_mailbox_is_not_filled_with_confirmations",
            f"{_FINDING}::test_about_one_customer_all_together_ask_sixty_times_an_hour",
        ),
        "slow or huge bodies": (
            f"{_ABUSES}::test_a_body_that_is_too_large_is_cut_off",
            f"{_ABUSES}::test_a_body_that_does_not_come_is_not_waited_for",
            f"{_WEBHOOKS}::test_a_hundred_slow_bodies_keep_no_other_notice_waiting",
            f"{_WEBHOOKS}::test_a_body_without_end_is_refused_on_the_way",
        ),
        "forged Host and X-Forwarded-For": (
            f"{_ABUSES}::test_forged_hosts_and_proxies_change_nothing",
            f"{_FINDING}::test_a_forged_host_changes_nothing",
            "tests/services/test_throttling.py::test_a_forged_x_forwarded_for_changes_nothing",
        ),
    },
    "files": {
        "entity bombs, external entities, any DOCTYPE": (
            f"{_FILES}::test_a_document_type_is_refused_on_sight",
            _NO_FILE,
        ),
        "2 GB": (
            f"{_READERS}::test_two_gigabytes_of_nothing_are_refused_by_what_they_begin_with",
            f"{_FILES}::test_what_is_too_large_is_refused_before_it_is_read",
            f"{_FILES}::test_abuse_ends_within_200_mb_and_2_seconds",
        ),
        "wrong or lying encodings": (
            _NO_FILE,
            _ANY_FILE,
            "tests/services/statements/test_mt940.py::test_other_bytes_than_utf_8_need_an_encoding_that_somebody_has_told",
        ),
        "same file renamed": (
            "tests/services/statements/test_identity.py::test_a_file_under_another_name_says_the_same",
            f"{_IMPORTING}::test_files_read_again_change_nothing",
        ),
        "sums that disagree": (
            f"{_IMPORTING}::test_a_file_that_does_not_add_up_is_set_aside_whole",
            f"{_WATCHING}::test_a_bad_file_is_put_aside_with_the_reason_beside_it",
            "tests/services/statements/test_camt.py::test_a_statement_that_does_not_add_up_is_refused",
        ),
        "negative and reversed entries": (
            "tests/services/statements/test_camt.py::test_a_reversal_keeps_its_direction_and_names_its_original",
            "tests/services/statements/test_mt940.py::test_a_reversed_credit_takes_from_the_account",
            "tests/services/statements/test_abo.py::test_reversals_are_booked_against_their_kind",
            _ANY_FILE,
        ),
        "a crash half way": (
            f"{_IMPORTING}::test_shuffled_broken_off_and_read_three_times_it_comes_to_the_same",
            f"{_IMPORTING}::test_an_import_that_broke_off_is_on_record_as_such",
            f"{_WATCHING}::test_what_a_killed_process_has_left_is_taken_up",
        ),
    },
    "mail": {
        "CR/LF in names and addresses": (
            f"{_HEADS}::test_a_head_with_a_line_break_in_it_never_leaves",
            f"{_ABUSES}::test_a_name_may_be_anything_but_a_header",
            _ANY_FIELD,
            _ANY_ADDRESS,
        ),
        "two addresses in one": (
            f"{_HEADS}::test_what_is_not_one_address_gets_no_mail",
            f"{_HEADS}::test_an_address_that_was_never_one_ends_and_the_next_mail_leaves",
            _ANY_ADDRESS,
        ),
        "10 kB": (f"{_READERS}::test_an_address_of_10_kb_is_refused_wherever_it_is_read", _ANY_ADDRESS),
    },
    "plates": {
        "another alphabet": (_NO_PLATE, _ANY_PLATE),
        "full width": (f"{_VEHICLE}::test_ways_of_typing_the_same_plate_are_one", _ANY_PLATE),
        "zero width": (_NO_PLATE, _ANY_PLATE),
        "right-to-left marks": (_NO_PLATE, _ANY_PLATE),
    },
    "time": {
        "skipped and repeated local hours": (
            f"{_CORRECTING}::test_an_hour_is_that_of_the_country_and_the_first_where_it_comes_twice",
            "tests/runtime/test_local_times.py::test_an_hour_that_the_clocks_repeat_or_skip_is_refused_with_both_readings",
        ),
        "past dates": (
            _ANY_FIELD,
            "tests/domain/test_schedule.py::test_an_hour_of_an_earlier_day_is_refused_and_one_of_today_is_not",
            "tests/domain/test_schedule.py::test_a_year_at_the_end_of_the_calendar_is_refused",
            f"{_BAD_INPUT}::test_money_from_outside_the_calendar_is_refused",
        ),
        "a clock that jumps": (
            f"{_DEADLINES}::test_after_a_long_jump_everything_overdue_fires_once_earliest_validity_first",
            "tests/eventstore/test_append.py::test_time_never_goes_backwards_within_an_order",
            "tests/services/test_sandbox.py::test_the_clock_never_goes_backwards",
        ),
    },
    "webhooks": {
        "bad signature": (
            f"{_WEBHOOKS}::test_a_bad_signature_is_refused_and_told_to_whoever_watches",
            f"{_SIGNED}::test_a_signature_is_of_this_body_and_this_time_only",
        ),
        "missing signature": (f"{_SIGNED}::test_a_signature_that_is_none_is_refused",),
        "old signature": (f"{_SIGNED}::test_an_old_signature_and_one_from_the_future_are_refused",),
        "replay": (f"{_WEBHOOKS}::test_a_replay_is_passed_on_as_the_same_notice",),
        "success then failure": (
            f"{_WEBHOOKS}::test_success_then_failure_are_both_passed_on_in_their_order",
            "tests/services/payments/test_notices.py::test_what_goes_back_whole_is_reversed_once",
        ),
    },
}
