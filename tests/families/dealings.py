"""Dealings besides purchases by hand: visits and messages, goals, service, influence, campaigns."""

from __future__ import annotations

from tests.families.hand_made import MONTH_DAYS, MONTHS, Family, customers, table

ENGAGEMENT = Family(
    "engagement",
    {
        "customers": table(
            "customer_id acquisition_channel email_opt_in",
            ("a", " Ads", "yes"),
            ("b", "", "no"),
            ("silent", None, None),
        ),
        "events": table(
            "customer_id occurred_at event_type device referrer",
            ("a", "2023-03-01 08:00", "visit", "Mobile", "google"),
            ("a", "2023-12-11 08:00", "Visit", "desktop", "google"),
            ("a", "2023-12-21 08:00", "visit", "Desktop", "friend"),
            ("a", "2023-12-22 08:00", "VISIT", None, None),
            ("a", "2023-05-01 08:00", "open", "mobile", None),
            ("a", "2023-05-02 08:00", "Open", "mobile", None),
            ("a", "2023-05-02 08:00", "Click", "mobile", "letter"),
            ("a", "2023-06-01 08:00", "Cart_Add", "Desktop", None),
            ("a", "2023-06-01 09:00", "Abandonment", "Desktop", None),
            ("a", "2023-06-02 08:00", "Checkout", "desktop", None),
            ("a", "2023-06-02 08:00", "purchase", "desktop", None),
            ("b", "2023-05-01 08:00", "open", None, None),
        ),
    },
    {
        "visits_per_month": {"a": 4 / MONTHS, "b": 0, "silent": 0},
        "visits_per_month_last_30_days": {"a": 3 * MONTH_DAYS / 30, "b": 0, "silent": 0},
        "visit_recency_days": {"a": 10, "b": None, "silent": None},
        "opens_per_month": {"a": 2 / MONTHS, "b": 1 / MONTHS, "silent": 0},
        "clicks_per_month": {"a": 1 / MONTHS, "b": 0, "silent": 0},
        "click_to_open_ratio": {"a": 1 / 2, "b": 0, "silent": None},
        "cart_adds_per_month": {"a": 1 / MONTHS, "b": 0, "silent": 0},
        "abandoned_cart_share": {"a": 1 / 3, "b": None, "silent": None},
        "mobile_share": {"a": 4 / 10, "b": None, "silent": None},
        "devices_used": {"a": 2, "b": 0, "silent": 0},
        "main_device": {"a": "desktop", "b": None, "silent": None},
        # visit on three (mobile, desktop, unknown), the other six kinds on one each
        "web_savviness": {"a": 9, "b": 1, "silent": 0},
        "referrer_share_google": {"a": 2 / 4, "b": None, "silent": None},
        "referrer_share_friend": {"a": 1 / 4, "b": None, "silent": None},
        "referrer_share_other": {"a": 1 / 4, "b": None, "silent": None},
        "acquisition_channel": {"a": "ads", "b": None, "silent": None},
        "email_opt_in": {"a": 1, "b": 0, "silent": None},
    },
)

INTENT = Family(
    "intent",
    {
        "customers": customers("a", "b", "c", "d", "e"),
        "events": table(
            "customer_id occurred_at event_type",
            ("a", "2023-03-01 08:00", "Webinar"),
            ("a", "2023-04-01 08:00", "webinar"),
            ("a", "2023-12-25 08:00", "Trial"),
            ("a", "2023-12-26 08:00", "visit"),
            ("b", "2023-03-01 08:00", "visit"),
            ("c", "2023-12-30 08:00", "newsletter"),
            ("c", "2023-12-31 08:00", "Account"),
            ("d", "2023-12-30 08:00", "Newsletter"),
            ("e", "2023-12-02 08:00", "Webinar"),
        ),
    },
    {
        "joined_webinar": {"a": 1, "b": 0, "c": 0, "d": 0, "e": 1, "silent": 0},
        "started_trial": {"a": 1, "b": 0, "c": 0, "d": 0, "e": 0, "silent": 0},
        "subscribed_newsletter": {"a": 0, "b": 0, "c": 1, "d": 1, "e": 0, "silent": 0},
        "opened_account": {"a": 0, "b": 0, "c": 1, "d": 0, "e": 0, "silent": 0},
        "goals_reached": {"a": 2, "b": 0, "c": 2, "d": 1, "e": 1, "silent": 0},
        "goal_recency_days": {"a": 7, "b": None, "c": 1, "d": 2, "e": 30, "silent": None},
    },
)

SERVICE = Family(
    "service",
    {
        "customers": customers("a", "b"),
        "contacts": table(
            "customer_id occurred_at effort cost reason",
            ("a", "2023-12-01 08:00", 7.0, 4.0, "Complaint"),
            ("a", "2023-12-11 08:00", 3.0, 6.0, "question"),
            ("a", "2023-12-11 09:00", 11.0, None, "question"),  # 11 and 0: no answer
            ("a", "2023-12-10 09:00", 0.0, None, "question"),
            ("a", "2023-12-10 09:00", 10.0, None, "question"),
            ("a", "2023-12-10 09:00", 1.0, None, "question"),
            ("b", "2022-09-01 00:00", None, None, None),
        ),
    },
    {
        "contacts_per_month": {"a": 6 / MONTHS, "b": 1 / MONTHS, "silent": 0},
        "contact_recency_days": {"a": 21, "b": 487, "silent": None},
        "effort_mean": {"a": (7 + 3 + 10 + 1) / 4, "b": None, "silent": None},
        "high_effort_share": {"a": 2 / 4, "b": None, "silent": None},
        "cost_per_contact": {"a": (4 + 6) / 2, "b": None, "silent": None},
        "contact_reason_share_complaint": {"a": 1 / 6, "b": 0, "silent": None},
        "contact_reason_share_question": {"a": 5 / 6, "b": 0, "silent": None},
        "contact_reason_share_other": {"a": 0, "b": 1, "silent": None},
    },
)

INFLUENCE = Family(
    "influence",
    {
        "customers": table("customer_id followers", ("a", "120"), ("b", "-5"), ("c", "0"), ("silent", "many")),
        "events": table(
            "customer_id occurred_at event_type value",
            ("a", "2023-03-01 08:00", "referral", None),
            ("a", "2023-03-02 08:00", "Referral", None),
            ("a", "2023-03-03 08:00", "review", 4.0),
            ("a", "2023-03-04 08:00", "Review", 5.0),
            ("a", "2023-03-05 08:00", "review", None),
            ("b", "2023-03-05 08:00", "visit", 1.0),
        ),
    },
    {
        "referrals_made": {"a": 2, "b": 0, "c": 0, "silent": 0},
        "reviews_written": {"a": 3, "b": 0, "c": 0, "silent": 0},
        "review_rating_mean": {"a": 4.5, "b": None, "c": None, "silent": None},
        "followers": {"a": 120, "b": None, "c": 0, "silent": None},
    },
)

CAMPAIGN = Family(
    "campaign",
    {
        "customers": customers("a", "b"),
        "campaigns": table(
            "customer_id campaign_id sent_at channel is_control responded_at revenue",
            ("a", "1", "2023-03-01 08:00", "email", False, "2023-03-04 07:00", 30.0),
            ("a", "2", "2023-04-01 08:00", "email", False, None, None),
            ("a", "3", "2023-05-01 08:00", "sms", None, "2023-05-06 08:00", 10.0),
            ("a", "4", "2023-06-01 08:00", "email", True, None, None),
            ("a", "6", "2023-05-10 08:00", "sms", False, "2023-05-10 08:00", 0.0),
            ("b", "5", "2023-12-30 08:00", "email", False, "2024-01-05 08:00", 99.0),  # not yet answered
        ).astype({"is_control": "boolean"}),
    },
    {
        "campaigns_per_month": {"a": 5 / MONTHS, "b": 1 / MONTHS, "silent": 0},
        "response_share": {"a": 3 / 5, "b": 0, "silent": None},
        "treated_response_share": {"a": 3 / 4, "b": 0, "silent": None},
        "response_share_by_channel_email": {"a": 1 / 3, "b": 0, "silent": None},
        "response_share_by_channel_sms": {"a": 1, "b": None, "silent": None},
        "response_share_by_channel_other": {"a": None, "b": None, "silent": None},
        "response_days_median": {"a": 3, "b": None, "silent": None},
        "response_recency_days": {"a": 236, "b": None, "silent": None},
        "response_revenue_per_campaign": {"a": 40 / 5, "b": 0, "silent": None},
    },
)

DEALINGS = (ENGAGEMENT, INTENT, SERVICE, INFLUENCE, CAMPAIGN)
