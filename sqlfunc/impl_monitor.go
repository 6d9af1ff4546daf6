package sqlfunc

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// monitorFuncs: there are no counters, no WAL and no recovery, and collations
// have no versions. What would count is 0, what would tell a time or a place is
// NULL.
var monitorFuncs = func() map[string]evaluator {
	m := map[string]evaluator{
		"pg_current_wal_lsn": func(*expr.Context, []value.Value) (value.Value, error) {
			return fail(sqlerr.Unsupported(0, "Positions in the stream of changes are those of CHANGE_STREAM_EVENTS().", "there is no WAL"))
		},
		"pg_encoding_max_length":         encodingLength,
		"pg_safe_snapshot_blocking_pids": constant(value.ArrayFrom(nil)),
		"mxid_age":                       constant(value.Int32(0)),
	}
	for _, n := range []string{"blocks_fetched", "blocks_hit", "tuples_returned", "tuples_fetched", "tuples_hot_updated", "mod_since_analyze",
		"ins_since_vacuum", "vacuum_count", "autovacuum_count", "analyze_count", "autoanalyze_count",
		"xact_numscans", "xact_tuples_inserted", "xact_tuples_updated", "xact_tuples_deleted"} {
		m["pg_stat_get_"+n] = constant(value.Int64(0))
	}
	for _, n := range []string{"stat_get_last_vacuum_time", "stat_get_last_autovacuum_time", "stat_get_last_analyze_time", "stat_get_last_autoanalyze_time",
		"stat_get_function_calls", "stat_get_function_total_time", "stat_get_function_self_time", "last_wal_receive_lsn", "last_wal_replay_lsn",
		"last_xact_replay_timestamp", "collation_actual_version", "database_collation_actual_version"} {
		m["pg_"+n] = constant(value.Null())
	}
	for _, n := range []string{"clear_snapshot", "force_next_flush", "reset", "reset_shared", "reset_slru", "reset_single_table_counters", "reset_single_function_counters"} {
		m["pg_stat_"+n] = constant(value.String(""))
	}
	return m
}()

// encodingLengths are how many bytes a character of each encoding takes at
// most, by the encodings' numbers.
const encodingLengths = "13334344" + "111111111111111111111111111" + "2222432"

func encodingLength(_ *expr.Context, a []value.Value) (value.Value, error) {
	n := a[0].AsInt64()
	if n < 0 || n >= int64(len(encodingLengths)) {
		return null()
	}
	return int4(int(encodingLengths[n] - '0'))
}
