package ast

import (
	"strconv"
	"strings"
)

func (p *printer) session(n Node) bool {
	switch n := n.(type) {
	case *Set:
		p.setParameter(n)
	case *Show:
		p.s("SHOW ", parameter(n.Name))
	case *Reset:
		p.s("RESET ", parameter(n.Name))
	case *Discard:
		p.s("DISCARD ", n.What)
	case *Prepare:
		p.optID("PREPARE ", n.Name)
		if n.Types != nil {
			p.s(" ")
			p.argumentTypes("", n.Types)
		}
		p.s(" AS ")
		p.node(n.Statement)
	case *Execute:
		p.optID("EXECUTE ", n.Name)
		if n.Args != nil {
			p.keywordCall("", n.Args)
		}
	case *Deallocate:
		p.s("DEALLOCATE ", ifWords(n.All, "ALL"))
		p.optID("", n.Name)
	case *Listen:
		p.optID("LISTEN ", n.Channel)
	case *Unlisten:
		p.s("UNLISTEN ", ifWords(n.All, "*"))
		p.optID("", n.Channel)
	case *Notify:
		p.optID("NOTIFY ", n.Channel)
		if n.Payload != "" {
			p.s(", ")
			p.str(n.Payload)
		}
	default:
		return p.cursor(n) || p.maintenance(n) || p.mysql(n)
	}
	return true
}

// parameter writes the name of a parameter so that no special form is seen in it.
func parameter(name string) string {
	if name == "all" {
		return "ALL"
	}
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = QuoteIdent(part)
	}
	return strings.Join(parts, ".")
}

func (p *printer) setParameter(n *Set) {
	p.s("SET ", ifWords(n.Local, "LOCAL "), ifWords(n.Session, "SESSION "))
	if n.Name == "timezone" && len(n.Values) == 1 {
		if _, ok := n.Values[0].(*TypedLiteral); ok {
			p.s("TIME ZONE ")
			p.expr(n.Values[0])
			return
		}
	}
	p.s(parameter(n.Name))
	switch {
	case n.Current:
		p.s(" FROM CURRENT")
	case n.Values == nil:
		p.s(" TO DEFAULT")
	default:
		p.s(" TO ")
		nodes(p, n.Values)
	}
}

func (p *printer) cursor(n Node) bool {
	switch n := n.(type) {
	case *DeclareCursor:
		p.declare(n)
	case *Fetch:
		p.fetch(n)
	case *CloseCursor:
		p.s("CLOSE ", ifWords(n.All, "ALL"))
		p.optID("", n.Name)
	default:
		return false
	}
	return true
}

func (p *printer) declare(n *DeclareCursor) {
	p.optID("DECLARE ", n.Name)
	p.s(ifWords(n.Binary, " BINARY"), ifWords(n.Insensitive, " INSENSITIVE"))
	if n.Scroll != nil {
		p.s(map[bool]string{true: " SCROLL", false: " NO SCROLL"}[*n.Scroll])
	}
	p.s(" CURSOR", ifWords(n.Hold, " WITH HOLD"), " FOR ")
	p.node(n.Query)
}

func (p *printer) fetch(n *Fetch) {
	p.s(map[bool]string{true: "MOVE ", false: "FETCH "}[n.Move], [...]string{"FORWARD ", "BACKWARD ", "ABSOLUTE ", "RELATIVE "}[n.Direction])
	if n.All {
		p.s("ALL")
	} else {
		p.s(strconv.FormatInt(n.Count, 10))
	}
	p.optID(" FROM ", n.Cursor)
	p.options(" WITH ", n.Options, " = ")
}

func (p *printer) maintenance(n Node) bool {
	switch n := n.(type) {
	case *Explain:
		p.s("EXPLAIN ")
		p.options("", n.Options, " ")
		p.opt(n.Options != nil, " ")
		p.node(n.Statement)
	case *Analyze:
		p.s("ANALYZE")
		p.tables(n.Options, n.Tables)
	case *Vacuum:
		p.s("VACUUM")
		p.tables(n.Options, n.Tables)
	case *AnalyzeTable:
		p.name(n.Name)
		p.columns(n.Columns)
	case *Do:
		p.s("DO ")
		if !n.Language.IsZero() {
			p.optID("LANGUAGE ", n.Language)
			p.s(" ")
		}
		p.str(n.Code)
	case *Call:
		p.s("CALL ")
		p.node(n.Call)
	case *Checkpoint:
		p.s("CHECKPOINT")
	case *Unsupported:
		p.s(n.Command)
	default:
		return false
	}
	return true
}

func (p *printer) tables(options []*Option, tables []*AnalyzeTable) {
	p.options(" ", options, " ")
	p.opt(tables != nil, " ")
	nodes(p, tables)
}

func (p *printer) showLike(like *StringLiteral) {
	if like != nil {
		p.optNode(" LIKE ", like)
	}
}

func (p *printer) mysql(n Node) bool {
	switch n := n.(type) {
	case *ShowObjects:
		p.s("SHOW ", ifWords(n.Full, "FULL "), n.What)
		if n.Of != nil {
			p.s(" FROM ")
			p.name(n.Of)
		}
		p.showLike(n.Like)
	case *Use:
		p.optID("USE ", n.Database)
	default:
		return false
	}
	return true
}
