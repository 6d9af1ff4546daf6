package ast

func (p *printer) event(n Node) bool {
	switch n := n.(type) {
	case *CreateEventSubscription:
		p.createEventSubscription(n)
	case *EventSelector:
		p.s(upperWords(n.Event))
		if n.Fields != nil {
			p.s(" OF ")
			p.names(n.Fields)
		}
	case *DeliverTo:
		p.deliverTo(n)
	case *StreamPosition:
		p.s([...]string{"NOW", "BEGINNING", "TIMESTAMP ", "TOKEN "}[n.Kind])
		if n.Value != nil {
			p.position(n.Value)
		}
	case *AlterEventSubscription:
		p.optID("ALTER EVENT_SUBSCRIPTION ", n.Name)
		p.options(" SET ", n.Set, " = ")
		p.opt(n.Reset != nil, " RESET")
		p.columns(n.Reset)
		p.optID(" RENAME TO ", n.RenameTo)
		p.optID(" OWNER TO ", n.OwnerTo)
	case *DropEventSubscription:
		p.s("DROP EVENT_SUBSCRIPTION ", ifWords(n.IfExists, "IF EXISTS "))
		p.id(n.Name)
		p.behavior(n.Behavior)
	case *CreateConnection:
		p.s("CREATE ", ifWords(n.OrReplace, "OR REPLACE "), "CONNECTION ", ifWords(n.IfNotExists, "IF NOT EXISTS "))
		p.id(n.Name)
		p.s(" TO ", upperWords(n.Kind.Name), " (")
		nodes(p, n.Options)
		p.s(")")
	case *AlterConnection:
		p.optID("ALTER CONNECTION ", n.Name)
		p.s(" SET (")
		nodes(p, n.Set)
		p.s(")")
	case *DropConnection:
		p.s("DROP CONNECTION ", ifWords(n.IfExists, "IF EXISTS "))
		p.id(n.Name)
	default:
		return p.eventCommand(n) || p.eventShow(n)
	}
	return true
}

func (p *printer) position(e Expr) {
	switch e.(type) {
	case *StringLiteral, *Parameter:
		p.expr(e)
	default:
		p.keywordCall("", []Expr{e})
	}
}

func (p *printer) createEventSubscription(n *CreateEventSubscription) {
	p.s("CREATE ", ifWords(n.OrReplace, "OR REPLACE "), "EVENT_SUBSCRIPTION ", ifWords(n.IfNotExists, "IF NOT EXISTS "))
	p.id(n.Name)
	if n.AsForm {
		p.s(" AS (")
		nodes(p, n.Options)
		p.s(")")
		return
	}
	p.s(" ON ", ifWords(n.Database, "DATABASE"))
	p.names(n.Collections)
	if n.Events != nil {
		p.s(" FOR ")
		nodes(p, n.Events)
	}
	p.optNode(" WHERE ", nodeOf(n.Where))
	if n.Deliver != nil {
		p.s(" DELIVER TO ")
		p.node(n.Deliver)
	}
	if n.Start != nil {
		p.s(" START AT ")
		p.node(n.Start)
	}
	p.opt(n.Backfill, " WITH BACKFILL")
	p.options(" WITH ", n.Options, " = ")
}

func (p *printer) deliverTo(d *DeliverTo) {
	switch d.Kind {
	case SinkCollection:
		p.s("COLLECTION ")
		p.name(d.Collection)
	case SinkNotify:
		p.s("NOTIFY ", QuoteIdent(d.Target))
	case SinkPull:
		p.s("PULL")
	default:
		p.s(map[SinkKind]string{SinkKafka: "KAFKA ", SinkNATS: "NATS ", SinkRedis: "REDIS ", SinkRedisChannel: "REDIS CHANNEL "}[d.Kind])
		p.str(d.Target)
	}
	p.optID(" USING ", d.Using)
}

func (p *printer) eventCommand(n Node) bool {
	switch n := n.(type) {
	case *PauseEventSubscription:
		p.optID("PAUSE EVENT_SUBSCRIPTION ", n.Name)
	case *ResumeEventSubscription:
		p.optID("RESUME EVENT_SUBSCRIPTION ", n.Name)
		p.opt(n.SkipPending, " SKIP PENDING")
	case *RewindEventSubscription:
		p.optID("REWIND EVENT_SUBSCRIPTION ", n.Name)
		p.s(" TO ")
		p.node(n.To)
	case *BackfillEventSubscription:
		p.optID("BACKFILL EVENT_SUBSCRIPTION ", n.Name)
		if n.Collection != nil {
			p.s(" COLLECTION ")
			p.name(n.Collection)
		}
		p.optNode(" WHERE ", nodeOf(n.Where))
		p.opt(n.Cancel, " CANCEL")
	case *DeadLetters:
		p.s(map[bool]string{true: "DISCARD", false: "REDRIVE"}[n.Discard])
		p.optID(" DEAD LETTERS FOR ", n.Name)
		p.optNode(" WHERE ", nodeOf(n.Where))
		p.optNode(" LIMIT ", nodeOf(n.Limit))
	case *AcknowledgeEvents:
		p.optID("ACKNOWLEDGE EVENT_SUBSCRIPTION ", n.Name)
		p.s(" UP TO ")
		p.expr(n.UpTo)
	case *TestEventSubscription:
		p.optID("TEST EVENT_SUBSCRIPTION ", n.Name)
		if n.Last != nil {
			p.s(" ON LAST ")
			p.expr(n.Last)
			p.s(" EVENTS")
		}
		p.opt(n.Send, " SEND")
	case *RotateSecret:
		p.optID("ROTATE SECRET FOR ", n.Name)
	case *Subscribe:
		p.subscribe(n)
	default:
		return false
	}
	return true
}

func (p *printer) eventShow(n Node) bool {
	switch n := n.(type) {
	case *ShowEvents:
		p.s("SHOW ", map[bool]string{true: "CONNECTIONS", false: "EVENT_SUBSCRIPTIONS"}[n.Connections])
		p.showLike(n.Like)
	case *ShowCreate:
		p.s("SHOW CREATE ", string(n.Kind), " ")
		p.name(n.Name)
	case *ExplainEventSubscription:
		p.optID("EXPLAIN EVENT_SUBSCRIPTION ", n.Name)
	default:
		return false
	}
	return true
}

func (p *printer) subscribe(n *Subscribe) {
	p.s("SUBSCRIBE TO ")
	if n.Query != nil {
		p.s("(")
		p.node(n.Query)
		p.s(")")
	} else {
		p.name(n.Name)
	}
	p.options(" WITH ", n.Options, " ")
	p.optNode(" AS OF ", nodeOf(n.AsOf))
	p.optNode(" UP TO ", nodeOf(n.UpTo))
}
