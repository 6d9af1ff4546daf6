package session

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// explainOptions are EXPLAIN's options.
type explainOptions struct {
	analyze bool
	at      int    // where analyze is
	format  string // text, json
}

func readExplain(stmt *ast.Explain) (explainOptions, error) {
	o := explainOptions{format: "text"}
	for _, opt := range stmt.Options {
		text := "true"
		if opt.Value != nil {
			var err error
			if text, err = literalText(opt.Value); err != nil {
				return o, err
			}
		}
		switch name := strings.ToLower(opt.Name.Name); name {
		case "analyze":
			on, ok := parseBool(text)
			if !ok {
				return o, sqlerr.New(sqlerr.SyntaxError, "analyze requires a Boolean value").At(opt.Pos())
			}
			o.analyze, o.at = on, opt.Pos()
		case "format":
			o.format = strings.ToLower(text)
			if o.format != "text" && o.format != "json" {
				return o, sqlerr.Unsupported(opt.Pos(), "The formats are TEXT and JSON.", "EXPLAIN format \"%s\" is not supported", text)
			}
		case "verbose", "costs", "settings", "buffers", "wal", "timing", "summary", "generic_plan":
		default:
			return o, sqlerr.New(sqlerr.SyntaxError, "unrecognized EXPLAIN option \"%s\"", opt.Name.Text).At(opt.Pos())
		}
	}
	return o, nil
}

func (s *Session) analyzeExplain(ctx context.Context, stmt *ast.Explain, src source, oids []uint32) (command, []uint32, error) {
	o, err := readExplain(stmt)
	if err != nil {
		return nil, nil, err
	}
	inner := stmt.Statement
	if d, ok := inner.(*ast.DeclareCursor); ok {
		inner = d.Query
	}
	st, err := s.analyze(ctx, source{stmt: inner, text: src.text}, oids)
	if err != nil {
		return nil, nil, err
	}
	cols := textColumns("QUERY PLAN")
	if o.format == "json" {
		cols[0].typ = sqltype.Of(sqltype.JSON)
	}
	return &listing{cols: cols, verb: "EXPLAIN", make: func(ctx context.Context, s *Session, c *call) ([]bson.Raw, error) {
		lines, err := s.explain(ctx, st, o, c)
		if err != nil {
			return nil, err
		}
		docs := make([]bson.Raw, len(lines))
		for i, l := range lines {
			docs[i] = textRow(cols, l)
		}
		return docs, nil
	}}, st.params, nil
}

func (s *Session) explain(ctx context.Context, st *prepared, o explainOptions, c *call) ([]string, error) {
	cmd, args := st.cmd, c.args
	if e, ok := cmd.(*executeNamed); ok {
		var err error
		if args, err = s.evaluate(ctx, e.args, e.st.params); err != nil {
			return nil, err
		}
		cmd = e.st.cmd
	}
	var plan explained
	switch cmd := cmd.(type) {
	case *query:
		bound, err := cmd.prog.Bind(ctx, args, s.env)
		if err != nil {
			return nil, err
		}
		plan.Plan = bound.Explain()
	case *subscription:
		if o.analyze && !cmd.ends() {
			return nil, sqlerr.Unsupported(o.at, "Leave ANALYZE out, or say with UP TO where it ends.", "EXPLAIN ANALYZE of a SUBSCRIBE without an end is not supported")
		}
		var err error
		if plan.Plan, err = cmd.explain(ctx, s, args); err != nil {
			return nil, err
		}
	default: // as PostgreSQL has it
		if o.format == "json" {
			return []string{"[\n  \"Utility Statement\"\n]"}, nil
		}
		return []string{"Utility statements have no plan structure"}, nil
	}
	if o.analyze {
		began := time.Now()
		n, err := s.drain(ctx, st.cmd, c)
		if err != nil {
			return nil, err
		}
		took := float64(time.Since(began).Microseconds()) / 1000
		plan.Rows, plan.Time = &n, &took
	}
	if o.format == "json" {
		return plan.json()
	}
	return plan.text(), nil
}

// explained is what EXPLAIN tells.
type explained struct {
	Plan []string
	Rows *int     `json:"Actual Rows,omitempty"`
	Time *float64 `json:"Execution Time,omitempty"`
}

func (e *explained) text() []string {
	if e.Rows == nil {
		return e.Plan
	}
	return append(e.Plan, fmt.Sprintf("Rows: %d", *e.Rows), fmt.Sprintf("Execution Time: %.3f ms", *e.Time))
}

func (e *explained) json() ([]string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode([]*explained{e})
	return []string{strings.TrimSpace(b.String())}, err
}

// drain runs a command and counts its rows.
func (s *Session) drain(ctx context.Context, cmd command, c *call) (int, error) {
	r, _, err := cmd.open(ctx, s, c)
	if err != nil || r == nil {
		return 0, err
	}
	defer r.close()
	for n := 0; ; n++ {
		if _, err := r.next(ctx); err != nil {
			if isEnd(err) {
				err = nil
			}
			return n, err
		}
	}
}
