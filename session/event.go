package session

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
)

// isEvent tells the statements that EventStatements runs.
func isEvent(stmt ast.Statement) bool {
	switch stmt := stmt.(type) {
	case *ast.CreateEventSubscription, *ast.AlterEventSubscription, *ast.PauseEventSubscription,
		*ast.ResumeEventSubscription, *ast.DropEventSubscription, *ast.RewindEventSubscription,
		*ast.BackfillEventSubscription, *ast.DeadLetters, *ast.AcknowledgeEvents, *ast.TestEventSubscription,
		*ast.ShowEvents, *ast.ExplainEventSubscription, *ast.RotateSecret,
		*ast.CreateConnection, *ast.AlterConnection, *ast.DropConnection:
		return true
	case *ast.ShowCreate:
		return stmt.Kind == ast.KindEventSubscription || stmt.Kind == ast.KindConnection
	case *ast.Comment:
		return stmt.Kind == ast.KindEventSubscription || stmt.Kind == ast.KindConnection
	case *ast.Grant:
		return stmt.Kind == ast.KindEventSubscription || stmt.Kind == ast.KindConnection
	}
	return false
}

// eventCommand names the statements that may not run in a transaction block.
func eventCommand(stmt ast.Statement) string {
	switch stmt := stmt.(type) {
	case *ast.CreateEventSubscription:
		return "CREATE EVENT_SUBSCRIPTION"
	case *ast.AlterEventSubscription:
		return "ALTER EVENT_SUBSCRIPTION"
	case *ast.PauseEventSubscription:
		return "PAUSE EVENT_SUBSCRIPTION"
	case *ast.ResumeEventSubscription:
		return "RESUME EVENT_SUBSCRIPTION"
	case *ast.DropEventSubscription:
		return "DROP EVENT_SUBSCRIPTION"
	case *ast.RewindEventSubscription:
		return "REWIND EVENT_SUBSCRIPTION"
	case *ast.BackfillEventSubscription:
		return "BACKFILL EVENT_SUBSCRIPTION"
	case *ast.DeadLetters:
		if stmt.Discard {
			return "DISCARD DEAD LETTERS"
		}
		return "REDRIVE DEAD LETTERS"
	case *ast.TestEventSubscription:
		if stmt.Send {
			return "TEST EVENT_SUBSCRIPTION … SEND"
		}
	case *ast.RotateSecret:
		return "ROTATE SECRET"
	case *ast.CreateConnection:
		return "CREATE CONNECTION"
	case *ast.AlterConnection:
		return "ALTER CONNECTION"
	case *ast.DropConnection:
		return "DROP CONNECTION"
	}
	return ""
}

// changesSubscription tells the statements that change what others rely on, and may
// run in a transaction block.
func changesSubscription(stmt ast.Statement) bool {
	switch stmt.(type) {
	case *ast.Grant, *ast.Comment:
		return true
	}
	return false
}

func (s *Session) analyzeEvent(ctx context.Context, stmt ast.Statement, oids []uint32) (command, []uint32, error) {
	if s.h.deps.Events == nil {
		return nil, nil, noEvents(stmt)
	}
	types := eventParameters(stmt, oids)
	found, err := s.h.deps.Events.Describe(ctx, stmt, relationEnv{s.env})
	if err != nil {
		return nil, nil, err
	}
	run := func(ctx context.Context, s *Session, c *call) ([]bson.Raw, string, error) {
		bound, err := withArguments(stmt, types, c.args)
		if err != nil {
			return nil, "", err
		}
		return s.runEvent(ctx, bound)
	}
	if found == nil {
		return utility(func(ctx context.Context, s *Session, c *call) (string, error) {
			_, tag, err := run(ctx, s, c)
			return tag, err
		}), types, nil
	}
	return &listing{cols: catalogColumns(found), verb: "SELECT", make: func(ctx context.Context, s *Session, c *call) ([]bson.Raw, error) {
		docs, _, err := run(ctx, s, c)
		return docs, err
	}}, types, nil
}

func noEvents(stmt ast.Statement) error {
	return sqlerr.Unsupported(stmt.Pos(), "Start the gateway with its event runtime, and on a MongoDB that has change streams.",
		"event subscriptions are not available on this gateway")
}

func (s *Session) runEvent(ctx context.Context, stmt ast.Statement) ([]bson.Raw, string, error) {
	if command := eventCommand(stmt); command != "" {
		if err := s.outside(command); err != nil {
			return nil, "", err
		}
		if err := s.writable(command); err != nil {
			return nil, "", err
		}
	}
	if eventCommand(stmt) != "" || changesSubscription(stmt) {
		if err := s.mayDefine(stmt); err != nil {
			return nil, "", err
		}
	}
	docs, tag, notices, err := s.h.deps.Events.Exec(ctx, stmt, relationEnv{s.env})
	for _, n := range notices {
		s.notice(n)
	}
	return docs, tag, err
}

// catalogColumns are result columns of a relation's columns.
func catalogColumns(list []catalog.Column) []column {
	cols := make([]column, len(list))
	for i, c := range list {
		path := c.Path
		if path == nil {
			path = []string{c.Name}
		}
		cols[i] = column{name: c.Name, path: path, orElse: c.Else, typ: c.Type}
	}
	return cols
}
