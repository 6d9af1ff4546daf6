package gateway

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/events"
	"weir/parser/ast"
	"weir/planner"
	"weir/sqlerr"
	"weir/translator"
)

// TailQuery implements events.Language.
func (l *language) TailQuery(ctx context.Context, q *ast.Query) (*events.TailQuery, error) {
	sel, call, err := tailShape(q)
	if err != nil {
		return nil, err
	}
	t := &events.TailQuery{Limit: q.Limit, Offset: q.Offset}
	if err := tailArguments(t, call); err != nil {
		return nil, err
	}
	fn := sel.From[0].(*ast.TableFunction)
	name := ast.Ident{Span: fn.Span, Name: l.events.Name, Text: l.events.Name}
	from := &ast.TableRef{Span: fn.Span, Name: &ast.Name{Span: fn.Span, Parts: []ast.Ident{name}}, Alias: fn.Alias}
	over := *sel
	over.From = []ast.TableExpr{from}
	whole := *q
	whole.Body, whole.Limit, whole.Offset = &over, nil, nil
	env := l.env()
	env.Resolver = oneRelation{table: l.events}
	plan, err := planner.Build(ctx, env, &whole, nil)
	if e := sqlerr.As(err); err != nil && e.Code == sqlerr.UndefinedTable && len(sel.From) == 1 {
		return nil, notLive(e.Position, "other relations in subqueries")
	}
	if err != nil {
		return nil, err
	}
	if err := rowByRow(plan.Root, q); err != nil {
		return nil, err
	}
	p, err := l.compile(plan)
	if err != nil {
		return nil, err
	}
	for i, c := range p.columns {
		t.Columns = append(t.Columns, catalog.Column{Name: c.Name, Type: c.Type, Path: []string{tailField(i)}})
	}
	t.Apply = p.all
	return t, nil
}

func tailField(i int) string { return "c" + strconv.Itoa(i) }

// notLive refuses a part of a query that has no meaning for rows that never end.
func notLive(pos int, what string) error {
	return sqlerr.Unsupported(pos, "Use SUBSCRIBE TO (SELECT list FROM CHANGE_STREAM_EVENTS(…) [WHERE …]); group and sort what comes in the client.",
		"SUBSCRIBE TO a query cannot have %s", what)
}

// tailShape finds the SELECT and its call of CHANGE_STREAM_EVENTS().
func tailShape(q *ast.Query) (*ast.Select, *ast.FunctionCall, error) {
	sel, ok := q.Body.(*ast.Select)
	switch {
	case !ok:
		return nil, nil, notLive(q.Pos(), "UNION, INTERSECT, EXCEPT or VALUES")
	case q.With != nil:
		return nil, nil, notLive(q.Pos(), "WITH")
	case len(q.OrderBy) > 0:
		return nil, nil, notLive(q.OrderBy[0].Pos(), "ORDER BY")
	case q.WithTies:
		return nil, nil, notLive(q.Limit.Pos(), "WITH TIES")
	case len(q.Locks) > 0:
		return nil, nil, notLive(q.Locks[0].Pos(), "FOR UPDATE or FOR SHARE")
	case len(sel.From) != 1:
		return nil, nil, notLive(sel.Pos(), "anything but CHANGE_STREAM_EVENTS() in FROM")
	}
	fn, ok := sel.From[0].(*ast.TableFunction)
	if !ok || len(fn.Items) != 1 || fn.Ordinality || fn.RowsFrom {
		return nil, nil, notLive(sel.From[0].Pos(), "anything but CHANGE_STREAM_EVENTS() in FROM")
	}
	call, ok := fn.Items[0].Call.(*ast.FunctionCall)
	if !ok || !strings.EqualFold(call.Name.Last().Name, "change_stream_events") && !strings.EqualFold(call.Name.Last().Name, "change_stream") {
		return nil, nil, notLive(fn.Pos(), "anything but CHANGE_STREAM_EVENTS() in FROM")
	}
	return sel, call, nil
}

// tailArguments takes source, since and until by place or by name.
func tailArguments(t *events.TailQuery, call *ast.FunctionCall) error {
	at := []*ast.Expr{&t.Source, &t.Since, &t.Until}
	names := []string{"source", "since", "until"}
	for i, arg := range call.Args {
		if named, ok := arg.(*ast.NamedArg); ok {
			if i = slices.Index(names, strings.ToLower(named.Name.Name)); i < 0 {
				return sqlerr.New(sqlerr.UndefinedFunction, "change_stream_events has no argument \"%s\"", named.Name.Name).At(named.Pos()).
					WithHint("Its arguments are source, since and until.")
			}
			arg = named.Value
		}
		if i >= len(at) || *at[i] != nil {
			return sqlerr.New(sqlerr.UndefinedFunction, "change_stream_events takes source, since and until, each once").At(arg.Pos())
		}
		*at[i] = arg
	}
	return nil
}

// rowByRow refuses a plan that needs more than one row at a time.
func rowByRow(n planner.Node, q *ast.Query) error {
	switch n := n.(type) {
	case *planner.Scan:
		return nil
	case *planner.Filter:
		return rowByRow(n.Input, q)
	case *planner.Project:
		return rowByRow(n.Input, q)
	case *planner.Aggregate:
		return notLive(q.Pos(), "aggregates or GROUP BY")
	case *planner.Window:
		return notLive(q.Pos(), "window functions")
	case *planner.Distinct:
		return notLive(q.Pos(), "DISTINCT")
	}
	return notLive(q.Pos(), "joins or subqueries")
}

// all gives the rows that one row of the log comes to, their columns as c0, c1, ….
func (p *rowProgram) all(row bson.Raw) ([]bson.Raw, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx := context.Background()
	cur, err := p.pipe.Run(ctx, rowSource{events.Computed(row)})
	if err != nil {
		return nil, translator.MapError(err)
	}
	defer func() { _ = cur.Close() }()
	var out []bson.Raw
	for {
		doc, err := cur.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, translator.MapError(err)
		}
		var b value.Builder
		for i, c := range p.columns {
			b.Add(tailField(i), value.GetPath(doc, c.Path))
		}
		out = append(out, b.Doc())
	}
}
