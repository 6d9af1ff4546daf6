package parser

import (
	"slices"
	"strings"

	"weir/parser/ast"
)

// createEventSubscription goes on after CREATE [OR REPLACE] EVENT_SUBSCRIPTION, however it is spelt.
func (p *Parser) createEventSubscription(t *token, orReplace bool) ast.Statement {
	s := &ast.CreateEventSubscription{OrReplace: orReplace, IfNotExists: p.ifNotExists(), Name: p.colID()}
	if p.accept("as") {
		s.AsForm = true
		s.Options = p.eventOptions()
	} else {
		p.eventSource(s)
		p.eventClauses(s)
	}
	s.Stmt = p.stmt(t)
	return s
}

// acceptSubscription takes EVENT_SUBSCRIPTION | EVENT SUBSCRIPTION | CHANGE_STREAM | CHANGE STREAM.
func (p *Parser) acceptSubscription() bool {
	return p.accept("event_subscription") || p.accept("event", "subscription") || p.accept("change_stream") || p.accept("change", "stream")
}

func (p *Parser) expectSubscription() {
	if !p.acceptSubscription() {
		p.expect("event_subscription")
	}
}

// eventSource reads ON coll, … | ON DATABASE
func (p *Parser) eventSource(s *ast.CreateEventSubscription) {
	p.expect("on")
	if p.at("database") && !p.peek(1).op(".") && !p.peek(1).op(",") {
		p.next()
		s.Database = true
		return
	}
	s.Collections = p.names()
}

// eventClauses reads [FOR …] [WHERE | FILTER …] [DELIVER TO …] [START AT …] [WITH BACKFILL] [WITH (…)], in any order after FOR.
func (p *Parser) eventClauses(s *ast.CreateEventSubscription) {
	if p.accept("for") {
		s.Events = p.eventSelectors()
	}
	for {
		switch {
		case s.Where == nil && p.acceptAny("where", "filter") != "":
			s.Where = p.expr()
		case s.Deliver == nil && p.at("deliver"):
			s.Deliver = p.deliverTo()
		case s.Start == nil && p.at("start"):
			p.next()
			p.expect("at")
			s.Start = p.streamPosition()
		case !s.Backfill && p.at("with", "backfill"):
			p.next()
			p.next()
			s.Backfill = true
		case s.Options == nil && p.at("with") && p.peek(1).op("("):
			p.next()
			s.Options = p.eventOptions()
		default:
			return
		}
	}
}

// eventSelectors reads INSERT | UPDATE [OF field, …] | REPLACE | DELETE | DDL | a
// single DDL operation, …
func (p *Parser) eventSelectors() []*ast.EventSelector {
	var list []*ast.EventSelector
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		e := &ast.EventSelector{Event: p.eventName()}
		if e.Event == "update" && p.accept("of") {
			e.Fields = p.updateFields()
		}
		e.Span = p.span(t)
		list = append(list, e)
	}
	return list
}

// eventNames are the events of FOR: ddl stands for all that follow it.
var eventNames = []string{
	"insert", "update", "replace", "delete", "ddl", "create", "drop", "rename", "modify", "createindexes", "dropindexes", "dropdatabase",
	"shardcollection", "reshardcollection", "refinecollectionshardkey", "invalidate",
}

// eventName reads the name of an event, quoted or not.
func (p *Parser) eventName() string {
	t := p.tok
	name := strings.ToLower(t.name)
	if t.kind != tokenWord && t.kind != tokenQuoted || !slices.Contains(eventNames, name) {
		panic(p.syntaxError(t).WithHint("The events are %s.", strings.ToUpper(strings.Join(eventNames, ", "))))
	}
	p.next()
	return name
}

// updateFields reads field, … up to the next event; a field of such a name is quoted.
func (p *Parser) updateFields() []*ast.Name {
	list := []*ast.Name{p.name()}
	for p.atOp(",") && !isEvent(p.peek(1)) {
		p.next()
		list = append(list, p.name())
	}
	return list
}

func isEvent(t *token) bool {
	return t.is("insert") || t.is("update") || t.is("replace") || t.is("delete") || t.is("ddl")
}

// deliverTo reads DELIVER TO sink [USING connection]
func (p *Parser) deliverTo() *ast.DeliverTo {
	t := p.next()
	p.expect("to")
	d := &ast.DeliverTo{}
	if p.tok.kind == tokenString {
		d.Target = p.str()
	} else {
		p.sink(d)
	}
	if p.accept("using") {
		d.Using = p.colID()
	}
	d.Span = p.span(t)
	return d
}

// sink reads COLLECTION c | NOTIFY channel | PULL | KAFKA 'topic' | NATS 'subject' | REDIS [CHANNEL] 'name'
func (p *Parser) sink(d *ast.DeliverTo) {
	switch p.expectAny("collection", "notify", "pull", "kafka", "nats", "redis") {
	case "collection":
		d.Kind, d.Collection = ast.SinkCollection, p.name()
	case "notify":
		d.Kind, d.Target = ast.SinkNotify, p.colID().Name
	case "pull":
		d.Kind = ast.SinkPull
	case "kafka":
		d.Kind, d.Target = ast.SinkKafka, p.str()
	case "nats":
		d.Kind, d.Target = ast.SinkNATS, p.str()
	case "redis":
		d.Kind = ast.SinkRedis
		if p.accept("channel") {
			d.Kind = ast.SinkRedisChannel
		}
		d.Target = p.str()
	}
}

// streamPosition reads NOW | BEGINNING | TIMESTAMP '…' | TOKEN '…'
func (p *Parser) streamPosition() *ast.StreamPosition {
	t := p.tok
	s := &ast.StreamPosition{}
	switch p.expectAny("now", "beginning", "timestamp", "token") {
	case "beginning":
		s.Kind = ast.PositionBeginning
	case "timestamp":
		s.Kind = ast.PositionTimestamp
		if !p.accept("with", "time", "zone") {
			p.accept("without", "time", "zone")
		}
		s.Value = p.positionValue()
	case "token":
		s.Kind = ast.PositionToken
		s.Value = p.positionValue()
	}
	s.Span = p.span(t)
	return s
}

// positionValue reads a text, a parameter or an expression.
func (p *Parser) positionValue() ast.Expr {
	switch p.tok.kind {
	case tokenString, tokenParam:
		return p.primary()
	}
	return p.expr()
}

// alterEventSubscription goes on after ALTER EVENT_SUBSCRIPTION.
func (p *Parser) alterEventSubscription(t *token) ast.Statement {
	s := &ast.AlterEventSubscription{Name: p.colID()}
	switch p.expectAny("set", "reset", "rename", "owner") {
	case "set":
		s.Set = p.eventOptions()
	case "reset":
		p.expectOp("(")
		s.Reset = []ast.Ident{p.label()}
		for p.acceptOp(",") {
			s.Reset = append(s.Reset, p.label())
		}
		p.expectOp(")")
	case "rename":
		p.expect("to")
		s.RenameTo = p.colID()
	case "owner":
		p.expect("to")
		s.OwnerTo = p.role()
	}
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) dropEventSubscription(t *token) ast.Statement {
	s := &ast.DropEventSubscription{IfExists: p.ifExists(), Name: p.colID(), Behavior: p.behavior()}
	s.Stmt = p.stmt(t)
	return s
}

// pause reads PAUSE EVENT_SUBSCRIPTION name
func (p *Parser) pause() ast.Statement {
	t := p.next()
	p.expectSubscription()
	return &ast.PauseEventSubscription{Name: p.colID(), Stmt: p.stmt(t)}
}

// resume reads RESUME EVENT_SUBSCRIPTION name [SKIP PENDING]
func (p *Parser) resume() ast.Statement {
	t := p.next()
	p.expectSubscription()
	s := &ast.ResumeEventSubscription{Name: p.colID()}
	if p.accept("skip") {
		p.expect("pending")
		s.SkipPending = true
	}
	s.Stmt = p.stmt(t)
	return s
}

// rewind reads REWIND EVENT_SUBSCRIPTION name TO position
func (p *Parser) rewind() ast.Statement {
	t := p.next()
	p.expectSubscription()
	s := &ast.RewindEventSubscription{Name: p.colID()}
	p.expect("to")
	s.To = p.streamPosition()
	s.Stmt = p.stmt(t)
	return s
}

// backfill reads BACKFILL EVENT_SUBSCRIPTION name [COLLECTION c] [WHERE cond] [CANCEL]
func (p *Parser) backfill() ast.Statement {
	t := p.next()
	p.expectSubscription()
	s := &ast.BackfillEventSubscription{Name: p.colID()}
	if p.accept("collection") {
		s.Collection = p.name()
	}
	s.Where = p.where()
	s.Cancel = p.accept("cancel")
	s.Stmt = p.stmt(t)
	return s
}

// deadLetters goes on after REDRIVE | DISCARD: DEAD LETTERS FOR name [WHERE cond] [LIMIT n]
func (p *Parser) deadLetters(t *token) ast.Statement {
	p.expect("dead", "letters", "for")
	s := &ast.DeadLetters{Discard: t.name == "discard", Name: p.colID(), Where: p.where()}
	if p.accept("limit") && !p.accept("all") {
		s.Limit = p.expr()
	}
	s.Stmt = p.stmt(t)
	return s
}

// acknowledge reads ACKNOWLEDGE EVENT_SUBSCRIPTION name UP TO position
func (p *Parser) acknowledge() ast.Statement {
	t := p.next()
	p.expectSubscription()
	s := &ast.AcknowledgeEvents{Name: p.colID()}
	p.expect("up", "to")
	s.UpTo = p.expr()
	s.Stmt = p.stmt(t)
	return s
}

// test reads TEST EVENT_SUBSCRIPTION name [ON LAST n EVENTS] [SEND]
func (p *Parser) test() ast.Statement {
	t := p.next()
	p.expectSubscription()
	s := &ast.TestEventSubscription{Name: p.colID()}
	if p.accept("on") {
		p.expect("last")
		s.Last = p.expr()
		p.expectAny("events", "event")
	}
	s.Send = p.accept("send")
	s.Stmt = p.stmt(t)
	return s
}

// rotate reads ROTATE SECRET FOR name
func (p *Parser) rotate() ast.Statement {
	t := p.next()
	p.expect("secret", "for")
	return &ast.RotateSecret{Name: p.colID(), Stmt: p.stmt(t)}
}
