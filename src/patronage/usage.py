"""What the command line says of itself."""

from __future__ import annotations

USAGE = """\
patronage — customer segments that are judged by what they are worth later

  patronage init       look at your own files and propose their configuration
  patronage train      build segments from raw tables, judge them, register the best; -m tries combinations of options
  patronage promote    make the challenger the champion
  patronage rollback   put the previous champion back
  patronage score      give every customer its segment
  patronage export     write the model and one file of customers per segment
  patronage report     write the report of a training, or of a model on newer customers
  patronage features   write the feature table
  patronage ui         open MLflow on the runs and models

  patronage COMMAND --help     what a command does and its options
  patronage --version

Options are given as option=value, for example: patronage train as_of=2017-10-01 'features=[rfm,basket]'
"""

HELP = {
    "init": """\
patronage init PATH… [option=value …]

Looks at your files (Parquet, CSV, TSV, JSON lines, .gz), folders or a database's URL, finds out which table and column
each is, says why, and writes a data configuration with comments; features and an experiment, where they are needed.
Then: patronage train data=mine

  name=mine                              name of the configuration
  folder=conf                            where it is written: FOLDER/data/NAME.yaml …
  transactions.customer_id="Client no"   what a column is, instead of leaving it to be found: TABLE.COLUMN=YOUR_COLUMN
  transactions.formats.ordered_at=…      how its texts are written: day/month/year, month/day/year, %d.%m.%Y …
  transactions.where="Quantity > 0"      likewise null_key, invalid_value, duplicates, timezone of a table
  force=true                             replace what is there of that name
  quiet=true                             only what was written

Tables: customers, transactions, products, events, contacts, campaigns, answers, places. Nothing is written when
neither customers nor transactions can be made of the files: the message says which column is missing (exit status 2).
""",
    "train": """\
patronage train [option=value …]
patronage train -m [option=value,value …] [option=range(0,3)] [option=glob(*)]

Builds features from raw customer tables, fits candidate segmentations, judges each by separation, size, stability and
what its segments are worth later, and refits, packages and registers the winner as the challenger.

  data=complete_journey          the tables (conf/data); your own: patronage init
  data.transactions.path=FILE    one file of them
  features=[rfm,basket]          feature sets (conf/features)
  outcomes=purchases             what is measured later (conf/outcomes)
  representation=outcome_aware   or standard, pca, umap
  clusterer=[kmeans,gmm]         what is tried (conf/clusterer)
  selection=value                how the winner is chosen: value, separation, balanced
  lookback_days=182              days of behaviour that features see
  outcome_days=91                days over which later outcomes are measured
  as_of=2017-10-03               where past and future part; default: outcome_days before the newest day
  experiment=rfm_standard        a set of options kept in a file (conf/experiment)
  min_confidence=0.6             customers less certain of their segment are unassigned; default 0
  min_prospect_confidence=0.5    who never bought is placed if a segment is at least this probable by profile
  'names={S01: Big families}'    names of your own for segments
  playbook=default               what is done with which segment (conf/playbook); report=false makes no report
  language=en                    words of names, actions and report; or a folder of message files
  fit_rows=20000                 most customers that anything is fitted to; all are placed; null: all
  seed=0  workers=2  stability_refits=20  output=FOLDER  quiet=true
  tracking.uri=URI               MLflow store; default MLFLOW_TRACKING_URI, else mlflow.db here

  -m, --multirun                 train with every combination of the values; compare them in one table; confirm and
                                 register the best alone: patronage train -m 'features=[rfm],[rfm,basket]' seed=0,1,2
  sweep_jobs=2                   so many combinations at a time

Ends with 0 · 2 when input or an option is wrong · 3 when no candidate passes the gates. With -m every combination is
tried to its end, and the worst of their statuses is returned: 0, 3, 2, or 1 if one crashed.
""",
    "promote": """\
patronage promote [option=value …]

Makes a registered version the champion, which scoring uses by default; the former champion becomes `previous`. It is
refused (exit status 3) where the version keeps less than the champion's recipe, is less steady, changes the segment of
too many customers, or was never compared with that champion.

  version=challenger             alias or version number
  gates.max_changed_share=0.5    share of customers that may change segment; further gates: conf/promote.yaml
  --force                        promote it whatever the gates say; what it fails is written on the version
  tracking.uri=URI               MLflow store; default MLFLOW_TRACKING_URI, else mlflow.db here
""",
    "rollback": """\
patronage rollback [option=value …]

Undoes a promotion: the previous champion is in charge again, and the one that gives way becomes `previous`.

  tracking.uri=URI               MLflow store; default MLFLOW_TRACKING_URI, else mlflow.db here
""",
    "score": """\
patronage score [option=value …]

Gives every customer its segment: customer_id, segment_id, segment_name, confidence, runner_up_id, atypicality, basis.
Customers without an order in the lookback are `dormant`. Those who never ordered are placed by their profile, where
profiles tell segments apart, and else `unassigned`.

  model=models:/customer-segments@champion   or models:/NAME/VERSION, or a folder under models/
  data=complete_journey          raw tables …
  input=features.parquet         … or a feature table (.parquet, .csv, .tsv, .jsonl; .gz) as of `patronage features`
  input=sqlite:///shop.db        … or in a database (any SQLAlchemy URL), with input_table=TABLE or a SELECT statement
  as_of=2017-10-03               with data: the day to score at; default: the day after the last transaction
  output=segments.parquet        likewise a file or a database's URL (output_table=segments); appears when complete
  min_confidence=0.6             who is less certain of the segment is unassigned; default: as trained
  chunk_rows=50000               rows at a time; the result is the same, memory is not
  resume=true                    go on where a killed run of the same model and input stopped

Rows that cannot be used are set aside, by number and reason, in OUTPUT.rejected.csv; OUTPUT.manifest.json says which
model, which input, how many customers per segment, how many rows were set aside and why.
""",
    "export": """\
patronage export [option=value …]

Writes a folder: model/ (the package, which scores without MLflow), audiences/ (one file per segment with customer_id,
segment_id, segment_name, confidence, and with data next_category_1 …; index.csv lists them), with data
customers_by_value (customers in falling value), and manifest.json. Without data and input: the model alone.

  model=models:/customer-segments@champion   or models:/NAME/VERSION, or a folder under models/
  data=complete_journey          raw tables …
  input=features.parquet         … or a feature table, as for patronage score (a database with input_table=…)
  as_of=2017-10-03               with data: the day to score at; default: the day after the last transaction
  output=export                  folder; appears when complete, in place of a former export
  audience_format=csv            or parquet
  audience_min_confidence=0      customers placed with less confidence are left out of the audiences
  next_categories=3              with data: categories that each customer may want next; 0: none

Rows that cannot be used are set aside, by number and reason, in rejected.csv.
""",
    "report": """\
patronage report [option=value …]

Writes the report of a training again: what each segment is like and worth, a portrait, what to do with it and why, and
how it was chosen. Every training logs one; this makes it in other words, with other actions, or on newer customers.

  run=RUN_ID                     a training run …
  model=models:/customer-segments@champion   … or the one that a registered model comes from; or a folder, with data
  data=complete_journey          describe segments by these raw tables instead; as_of=2017-10-03: at this day
  playbook=default               what is done with which segment (conf/playbook)
  language=en                    or a folder of message files
  output=report                  folder: report.html, figures/*.png, tables/*.parquet; in place of a former report
  tracking.uri=URI               MLflow store; default MLFLOW_TRACKING_URI, else mlflow.db here

In Python: patronage.load_report("report") gives the tables as DataFrames.
""",
    "features": """\
patronage features [option=value …]

Writes the feature table: one line per customer, with customer_id and customer_status (active, dormant, prospect).
Looks at every feature: what is missing, skewed, nearly constant or said twice, with a verdict. Forms no segments.

  data=complete_journey          the tables (conf/data); your own: patronage init
  features=[rfm,basket]          feature sets (conf/features) …
  experiment=NAME                … or those of an experiment
  model=models:/NAME@ALIAS       … or exactly what this model was trained with
  lookback_days=182  as_of=2017-10-03
  output=features.parquet        .parquet or .csv
""",
    "ui": """\
patronage ui [option=value …]

Opens the MLflow UI on the store that training logs to. Stop it with Ctrl-C.

  host=127.0.0.1  port=5000
  tracking.uri=URI               MLflow store; default mlflow.db here
""",
}

COMMON = """
For every command but init: --config-dir DIR adds a folder with your own configuration files; --show-config prints the
options in force and ends.
"""
