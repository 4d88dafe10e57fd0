"""The story: tables → features → candidates → evaluation → selection → refit → segments → model → registry."""

from __future__ import annotations

from dataclasses import replace

from patronage import __version__
from patronage.backtest import judge_candidates, kept_unseen, open_judge, stabilities
from patronage.challenge import Challenge, challenge
from patronage.champion import Incumbent, observe_champion
from patronage.diagnosis_page import diagnosis_frame
from patronage.errors import PatronageError
from patronage.evaluation.evidence import n_forecasts, select_customers
from patronage.evaluation.row import Row
from patronage.features import build_features
from patronage.journal import Journal, note, progress, warn
from patronage.leaderboard import leaderboard_frame
from patronage.model import SegmentationModel
from patronage.numbering import Numbering, number_segments
from patronage.observation import (
    diagnose_features,
    fitted_customers,
    learn_catalogues,
    observe,
    require_customers,
    require_judgeable,
)
from patronage.package_folder import require_replaceable
from patronage.packaging import package, require_covered, tell_about
from patronage.periods import is_snapshot, training_windows
from patronage.playbook import Playbook
from patronage.profiles import describe_customers, profile_segments
from patronage.recipe import Recipe, fit_recipes
from patronage.refit import Refit, refit_shortlist
from patronage.report import Report, make_report
from patronage.selection import Selection, elect, select
from patronage.tables import open_tables
from patronage.tracking import TrackedRun, find_champion, log_report, register, tracked_run
from patronage.training import Backtest, Prepared, Trained, Training
from patronage.validation import check_tables


def train(training: Training) -> Trained:
    """Run the main job: from raw tables to a registered, packaged segmentation.

    Raises
    ------
    PatronageError
        Data or configuration cannot be used; nothing has been packaged or registered then.
    """
    require_replaceable(training.output)
    training.tracking.require_place()
    journal = Journal()
    prepared = prepare(training, journal)
    with tracked_run(training.tracking, training.config) as run:
        log_setup(training, prepared, run, journal)
        return finish(training, prepared, backtest(training, prepared, journal), run, journal)


def prepare(training: Training, journal: Journal) -> Prepared:
    """Read the tables: build features and outcomes in every window."""
    # First of all, so that a store that cannot be reached is known before the work begins.
    champion = find_champion(training.tracking)
    with open_tables(training.data) as tables:
        with journal.stage("read and check tables"):
            check_tables(tables)
            windows = training_windows(
                tables,
                lookback_days=training.lookback_days,
                outcome_days=training.outcome_days,
                as_of=training.as_of,
            )
            counts, digest = {name: tables.count(name) for name in tables.columns}, tables.digest()

        with journal.stage("build features and outcomes"):
            catalogue, outcomes = learn_catalogues(tables, training.features, training.outcomes, windows.learn)
            require_judgeable(outcomes, training.representation.kind, training.policy.weights)
            last = learn = judged = observe(tables, catalogue, outcomes, windows.judge)
            if not is_snapshot(tables):
                learn = observe(tables, catalogue, outcomes, windows.learn)
                if windows.refit.previous != windows.judge:
                    last = observe(tables, catalogue, outcomes, windows.refit.previous)
            elif outcomes.features:
                learn, judged = last.halves()
            diagnosis, catalogue = diagnose_features(catalogue, learn.features)
            newest = build_features(tables, catalogue, windows.refit)
            headline = next((o for o in training.outcomes if o.name in outcomes.names), None)
            require_customers(newest, (learn, judged), training.clusterers)
            learn, last = learn.thinned(training.fit_rows), last.thinned(training.fit_rows)
            fitted_to = fitted_customers(newest.active.index, training.fit_rows)
            if not fitted_to.all():
                note(
                    f"fitted to {fitted_to.sum():,} of {len(fitted_to):,} customers (fit_rows), drawn by a hash of "
                    "their id; all are placed, judged and described"
                )
            incumbent = observe_champion(tables, champion, windows, catalogue, outcomes, (learn, judged))
    return Prepared(
        windows,
        catalogue,
        diagnosis,
        learn,
        judged,
        last,
        newest.active,
        fitted_to,
        headline,
        counts,
        digest,
        champion,
        incumbent,
    )


def log_setup(training: Training, prepared: Prepared, run: TrackedRun, journal: Journal) -> None:
    """Log what is trained on, before the long work begins."""
    with journal.stage("log data and configuration"):
        run.log_data(training.data.name, prepared.counts, prepared.digest)
        run.log_setup(prepared.catalogue, prepared.windows, training.seed)
        run.log_customers(
            {
                "learn": len(prepared.learn.features),
                "judge": len(prepared.judged.features),
                "newest": len(prepared.newest),
                "fitted": int(prepared.fitted_to.sum()),
            }
        )
        run.log_diagnosis(prepared.diagnosis)
        run.log_distance_shares(
            training.representation.distance_shares(prepared.catalogue.basis, prepared.learn.features)
        )


def backtest(training: Training, prepared: Prepared, journal: Journal) -> Backtest:
    """Fit the candidates, judge them on what came later, and rehearse those that pass at the newest day."""
    seed, workers, n_refits = training.seed, training.workers, training.n_refits
    learn, judged, last, catalogue = prepared.learn, prepared.judged, prepared.last, prepared.catalogue
    recipes = [
        Recipe(catalogue.basis, training.representation, candidate)
        for clusterer in training.clusterers
        for candidate in clusterer.candidates()
    ]
    with journal.stage(f"fit {len(recipes)} candidates", len(recipes)) as done:
        fitted = fit_recipes(recipes, learn.features, learn.outcomes, seed=seed, progress=done)
    with journal.stage(f"refit them on {n_refits} subsamples", n_refits) as done:
        stable = stabilities(fitted, learn, n_refits=n_refits, seed=seed, workers=workers, progress=done)
    with journal.stage("judge them on what came later"):
        with progress("see what was foreseeable", n_forecasts(judged.outcomes.shape[1])) as done:
            headline = None if prepared.headline is None else prepared.headline.name
            judge = open_judge(
                catalogue.basis, learn, judged, seed=seed, workers=workers, headline=headline, progress=done
            )
        with progress("judge candidates", len(recipes)) as done:
            candidates = judge_candidates(recipes, fitted, stable, judged, judge, done, learn)
        rows = [candidate.row for candidate in candidates]
        alive = [candidate for candidate in candidates if not candidate.row.failure]
        counts = [int(one.row.metrics["size/n_segments"]) for one in alive]
        # With unassigned customers a candidate has one group more than segments, and is compared at that number.
        baselines = judge.baseline_rows([*counts, *(judge.n_groups(one.labels) for one in alive)])

    passing = [n for n, verdict in enumerate(select(rows, training.policy).verdicts) if verdict.passed]
    with journal.stage("judge the shortlist by outcomes left out"):
        unseen = kept_unseen([fitted[n] for n in passing], learn, judged, judge, seed=seed, workers=workers)
        for n, kept in zip(passing, unseen, strict=True):
            rows[n] = replace(rows[n], metrics={**rows[n].metrics, "value/kept_unseen": kept})

    with journal.stage("refit the shortlist at the newest day", n_refits) as done:
        # What elects a winner must not know what the confirm customers did: they sit this one out.
        known = last.only(select_customers(last.features.index.to_list()))
        allowed = select_customers(prepared.newest.index.to_list())
        rehearsals = refit_shortlist(
            [fitted[n] for n in passing],
            known,
            prepared.newest.loc[allowed],
            n_refits=n_refits,
            seed=seed,
            workers=workers,
            fitted_to=prepared.fitted_to[allowed],
            progress=done,
        )
        for n, rehearsal in zip(passing, rehearsals, strict=True):
            rows[n] = rehearsal.add_to(rows[n])
    return Backtest(fitted, candidates, judge, rows, baselines)


def prove(training: Training, prepared: Prepared, tested: Backtest, journal: Journal, n: int) -> Row:
    """Refit a candidate on all customers, unless it has been; gives its line with the figures of that."""
    if n not in tested.finals:
        with journal.stage("refit the winner on all customers", training.n_refits) as done:
            (tested.finals[n],) = refit_shortlist(
                [tested.fitted[n]],
                prepared.last,
                prepared.newest,
                n_refits=training.n_refits,
                seed=training.seed,
                workers=training.workers,
                fitted_to=prepared.fitted_to,
                progress=done,
            )
    return tested.finals[n].add_to(tested.rows[n], "final")


def meet_champion(
    training: Training, prepared: Prepared, tested: Backtest, incumbent: Incumbent, numbered: Numbering, winner: int
) -> Challenge:
    """Judge the champion's recipe where the winner was judged."""
    changed = float("nan") if numbered.continuity is None else numbered.continuity.changed_share
    return challenge(
        incumbent,
        tested.judge,
        prepared.judged.features.index,
        tested.candidates[winner].labels,
        ari=tested.rows[winner].metrics["stability/ari"],
        changed_share=changed,
        n_refits=training.n_refits,
        seed=training.seed,
        workers=training.workers,
    )


def finish(
    training: Training,
    prepared: Prepared,
    tested: Backtest,
    run: TrackedRun,
    journal: Journal,
    *,
    failed_elsewhere: int = 0,
) -> Trained:
    """Refit the winner on all customers, confirm it, package and register it.

    ``failed_elsewhere`` counts better candidates of a sweep's other jobs that failed this refit.
    """
    judge, judged = tested.judge, prepared.judged
    # The winner must pass the gates once more; if it does not, the next best has its turn.
    selection = elect(tested.rows, training.policy, lambda n, _: prove(training, prepared, tested, journal, n))
    winner = None if selection.winner is None else selection.verdicts.index(selection.winner)
    with journal.stage("confirm the winner"):
        confirm = {} if winner is None else judge.confirm(tested.candidates[winner].labels)
        if confirm:
            # Those were refitted on the confirm customers too before the winner had its turn.
            confirm["after_fallbacks"] = float(len(tested.finals) - 1 + failed_elsewhere)
    later = None if prepared.headline is None else judged.outcomes[prepared.headline.name]
    chosen_on = select_customers(judged.features.index.to_list())
    run.log_selection(
        selection,
        tested.baselines,
        training.policy,
        confirm,
        # Pictures are drawn of the select customers too: nobody looks at what the others did but to confirm.
        labels=[
            candidate.labels[chosen_on] if len(candidate.labels) else candidate.labels
            for candidate in tested.candidates
        ],
        worth=None if later is None else later.to_numpy(float)[chosen_on],
    )
    trained = Trained(selection, tested.candidates, tested.baselines, confirm, None, "", run.run_id, journal.seconds)
    again = None if winner is None else tested.finals[winner]
    if winner is None or selection.winner is None or not isinstance(again, Refit):
        run.log_seconds(journal.seconds)
        return trained

    incumbent, labels = prepared.incumbent, tested.candidates[winner].labels
    numbered = number_segments(
        again,
        labels,
        later,
        former=None if incumbent is None else incumbent.former(prepared.newest.index),
        last_number=prepared.champion.last_number,
    )
    compared = None
    if incumbent is not None:
        with journal.stage("compare with the champion's recipe"):
            compared = meet_champion(training, prepared, tested, incumbent, numbered, winner)
    with journal.stage("describe and package"):
        headline = prepared.headline
        gates = training.policy.gates
        about = tell_about(selection.winner, confirm, training.data.name, numbered.continuity, compared, gates)
        model = package(
            again,
            prepared.newest,
            prepared.catalogue,
            numbered,
            prepared.windows.refit,
            about,
            min_confidence=training.min_confidence,
            min_prospect_confidence=training.min_prospect_confidence,
            prospects_exist=len(judged.rfm.columns) > 0,  # there are orders
            names=training.names,
            wording=training.wording,
        )
        require_covered(model, training.policy.gates.coverage)
        run.log_confidence(model.about)
        run.log_champion(compared, numbered.continuity)
    with journal.stage("register"):
        version = register(run, model, prepared.newest, ids_from=prepared.champion.last_number)
        model.save(training.output)
        note(f"packaged in {training.output}")
    report = None
    if training.playbook is not None:
        with journal.stage("profile the segments, write the report"):
            if "distributions" not in run.pictures:  # a sweep's job has logged it in a process of its own
                run.log_diagnosis(prepared.diagnosis)
            try:
                report = describe(training, training.playbook, prepared, tested, selection, model, run, version)
                log_report(run, report, training.wording, model=model, selection=selection, confirm=confirm)
            except PatronageError as error:  # what has taken minutes to train is not lost by a rule or a message
                warn(f"the model is registered, but its report cannot be made: {error}")
    run.log_segments(model.segments, headline, None if report is None else report.first_actions)
    run.log_seconds(journal.seconds)
    return replace(trained, model=model, version=version, report=report)


def describe(
    training: Training,
    playbook: Playbook,
    prepared: Prepared,
    tested: Backtest,
    selection: Selection,
    model: SegmentationModel,
    run: TrackedRun,
    version: str,
) -> Report:
    """Look at the newest customers once more, in the segments that they are in now, and make the report of it."""
    with open_tables(training.data) as tables:
        customers = describe_customers(tables, model, prepared.windows.refit.as_of)
        profiles = profile_segments(tables, model, customers)
    return make_report(
        profiles,
        playbook,
        training.wording,
        leaderboard=leaderboard_frame(selection, tested.baselines),
        diagnosis=diagnosis_frame(prepared.diagnosis),
        pictures=run.pictures,
        about={
            **model.about,
            "trained_as_of": model.trained_as_of.isoformat(),
            "model": training.tracking.registered_model,
            "version": version,
            "run_id": run.run_id,
            "language": training.config.get("language"),
            "playbook": training.config.get("playbook"),
            "patronage_version": __version__,
            "limits": vars(training.policy.gates),
        },
    )
