package events

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlfunc"
)

// Language is what the runtime needs of the SQL half.
type Language interface {
	// For is the language of a client's statement: what is evaluated at once has the
	// client's session, with its time zone and user. What a subscription keeps has
	// none: it is in UTC, and refused where a literal is another one in the session.
	For(sqlfunc.Session) Language
	// Constant evaluates an expression that reads no columns; the value is in
	// the BSON form of its type. Its errors are *sqlerr.Error with positions.
	Constant(ctx context.Context, e ast.Expr) (value.Value, error)
	// Condition compiles a condition over the columns of CHANGE_STREAM_EVENTS()
	// with strict names; errors have positions.
	Condition(ctx context.Context, e ast.Expr) (Condition, error)
	// ConditionText is Condition for a text that holds the expression; errors
	// point into the text.
	ConditionText(ctx context.Context, sql string) (Condition, error)
	// DeadLetterCondition is Condition over the columns of DEAD_LETTER_EVENTS().
	DeadLetterCondition(ctx context.Context, e ast.Expr) (Condition, error)
	// DocumentCondition is Condition over the columns of a collection; it is asked
	// of the collection's documents.
	DocumentCondition(ctx context.Context, e ast.Expr, over *catalog.Table) (Condition, error)
	// TailQuery compiles SELECT … FROM CHANGE_STREAM_EVENTS(…) [WHERE …]; what
	// needs more than a row at a time is refused.
	TailQuery(ctx context.Context, q *ast.Query) (*TailQuery, error)
	// Projection compiles a SELECT list over the same columns; it is applied to
	// a row and gives a document.
	Projection(ctx context.Context, list string) (Projection, error)
	// Print gives an expression as SQL text.
	Print(e ast.Expr) string
}

// languageOf is the language of the statements of a session.
func (m *Manager) languageOf(env catalog.Session) Language {
	if s, ok := env.(interface{ Functions() sqlfunc.Session }); ok {
		return m.lang.For(s.Functions())
	}
	return m.lang
}

// Condition tells whether a row of the event log fulfils a WHERE.
type Condition interface {
	Match(row bson.Raw) (bool, error)
}

// Projection makes a document of a row of the event log.
type Projection interface {
	Apply(row bson.Raw) (bson.Raw, error)
}

// TailQuery is a query over the rows of the log as they come.
type TailQuery struct {
	Source, Since, Until ast.Expr // arguments of CHANGE_STREAM_EVENTS, nil: not given
	Limit, Offset        ast.Expr // of the rows, nil: not given
	Columns              []catalog.Column
	// Apply makes the rows of a row of the log, by the paths of Columns.
	Apply func(row bson.Raw) ([]bson.Raw, error)
}
