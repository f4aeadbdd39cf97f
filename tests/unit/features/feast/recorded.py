"""What Feast 0.67 said: `dump.py` about a repository of its own, and `feast serve` over what it had materialised on
2026-11-21."""

from __future__ import annotations

REPOSITORY = """
{"feast":"0.67.0","project":"shop","origin":"definitions",
"entities":[
{"name": "account", "key": "account_id", "type": "INT64", "description": "who pays"},
{"name": "merchant", "key": "merchant_id", "type": "STRING"}],
"views":[
{"name": "live", "entities": ["account"], "ttl": 0,
 "source": {"kind": "FileSource", "name": "pushed_batch", "path": "data/profiles.parquet", "timestamp": "updated_at"},
 "stream": {"kind": "PushSource", "name": "pushed"},
 "fields": [
  {"name": "limit", "type": "Float64"}]},
{"name": "odd", "entities": ["account"], "ttl": 86400000000,
 "source": {"kind": "FileSource", "name": "odd_s", "path": "data/none.parquet", "timestamp": "at"},
 "fields": [
  {"name": "extra", "type": "Map"}]},
{"name": "Pair_View", "entities": ["account", "merchant"], "ttl": 129600000000,
 "source": {"kind": "FileSource", "name": "pairs", "path": "data/pairs.parquet", "timestamp": "at",
  "mapping": {"n": "orders"}},
 "fields": [
  {"name": "orders", "type": "Int64"}]},
{"name": "profile", "entities": ["account"], "key_types": {"account_id": "Int64"}, "ttl": 2592000000000,
 "source": {"kind": "FileSource", "name": "profiles", "path": "data/profiles.parquet",
  "timestamp": "updated_at", "created": "written_at"},
 "owner": "risk@example.com", "description": "what we know of an account", "tags": {"team": "risk"},
 "fields": [
  {"name": "segment", "type": "String", "description": "as marketing has it"},
  {"name": "limit", "type": "Float64"},
  {"name": "score", "type": "Float32"},
  {"name": "visits", "type": "Int64"},
  {"name": "age", "type": "Int32"},
  {"name": "gold", "type": "Bool"},
  {"name": "since", "type": "UnixTimestamp"},
  {"name": "taste", "type": "Array(Float32)"},
  {"name": "photo", "type": "Bytes"}]},
{"name": "whole", "ttl": 86400000000,
 "source": {"kind": "FileSource", "name": "whole_s", "path": "data/whole.parquet", "timestamp": "at"},
 "fields": [
  {"name": "rate", "type": "Float64"}]}],
"others":[{"kind": "on-demand view", "name": "amount_ratio"},
{"kind": "feature service", "name": "serving_1"}]}
"""

# Account 3 is of October, beyond the 30 days of its view.
ROWS = """
{"results":[{"values":[1,2,3,9],"statuses":["PRESENT","PRESENT","PRESENT","PRESENT"],
 "event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},
{"values":["a","b",null,null],"statuses":["PRESENT","PRESENT","PRESENT","NOT_FOUND"],
 "event_timestamps":["2026-11-20T18:25:20Z","2026-11-19T18:25:20Z","2026-10-12T18:25:20Z","1970-01-01T00:00:00Z"]},
{"values":[1.5,null,3.0,null],"statuses":["PRESENT","PRESENT","PRESENT","NOT_FOUND"],
 "event_timestamps":["2026-11-20T18:25:20Z","2026-11-19T18:25:20Z","2026-10-12T18:25:20Z","1970-01-01T00:00:00Z"]},
{"values":[1795199120,1795112720,1791829520,null],"statuses":["PRESENT","PRESENT","PRESENT","NOT_FOUND"],
 "event_timestamps":["2026-11-20T18:25:20Z","2026-11-19T18:25:20Z","2026-10-12T18:25:20Z","1970-01-01T00:00:00Z"]}],
"metadata":{"feature_names":["account_id","profile__segment","profile__limit","profile__since"]}}
"""
TWO_VIEWS = """
{"results":[{"values":[1,2],"statuses":["PRESENT","PRESENT"],
 "event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},
{"values":["m","z"],"statuses":["PRESENT","PRESENT"],
 "event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},
{"values":[5,null],"statuses":["PRESENT","NOT_FOUND"],
 "event_timestamps":["2026-11-20T18:25:20Z","1970-01-01T00:00:00Z"]},
{"values":[1.5,null],"statuses":["PRESENT","PRESENT"],
 "event_timestamps":["2026-11-20T18:25:20Z","2026-11-19T18:25:20Z"]}],
"metadata":{"feature_names":["account_id","merchant_id","Pair_View__orders","profile__limit"]}}
"""
_NO_SUCH = "Feature view nope does not exist in project shop"
NO_VIEW = (
    404,
    r""""{\"module\": \"feast.errors\", \"class\": \"FeatureViewNotFoundException\", \"message\": \""""
    + _NO_SUCH
    + r'''\"}"''',
)
NO_FEATURE = (500, r'''"'Feature nope not found in projection profile'"''')
NO_ENTITIES = (422, '{"detail":[{"type":"missing","loc":["body","entities"],"msg":"Field required","input":{}}]}')
