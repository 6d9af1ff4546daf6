package session

import (
	"context"
	"slices"

	"weir/catalog"
	"weir/executor"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// truncated adds the tables that refer to those that are truncated; without
// CASCADE all of them have to be named. locked tells that there are foreign keys.
func (s *Session) truncated(ctx context.Context, stmt *ast.Truncate, tables []*catalog.Table) (all []*catalog.Table, locked bool, err error) {
	for i := 0; i < len(tables); i++ {
		if len(tables[i].ReferencedFrom) == 0 {
			continue
		}
		_, in, err := s.scoped().References(ctx, tables[i])
		if err != nil {
			return nil, false, err
		}
		locked = locked || len(in) > 0
		for _, r := range in {
			if slices.ContainsFunc(tables, func(t *catalog.Table) bool { return t.OID == r.From.OID }) {
				continue
			}
			if stmt.Behavior != ast.Cascade {
				return nil, false, sqlerr.New(sqlerr.FeatureNotSupported, "cannot truncate a table referenced in a foreign key constraint").
					WithDetail("Table \"%s\" references \"%s\".", r.From.Name, tables[i].Name).
					WithHint("Truncate table \"%s\" at the same time, or use TRUNCATE ... CASCADE.", r.From.Name)
			}
			s.notice(sqlerr.Notice("NOTICE", sqlerr.SuccessfulCompletion, "truncate cascades to table \"%s\"", r.From.Name))
			tables = append(tables, r.From)
		}
	}
	return tables, locked, nil
}

// lockAllKeys keeps others from referring to rows that are truncated.
func (s *Session) lockAllKeys(ctx context.Context, on store.Queryer) error {
	if !s.access.Store.Capabilities().Transactions {
		return nil
	}
	return executor.LockAllKeys(ctx, on, keySession{s})
}
