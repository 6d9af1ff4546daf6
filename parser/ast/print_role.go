package ast

func (p *printer) role(n Node) bool {
	switch n := n.(type) {
	case *CreateRole:
		p.s("CREATE ", map[bool]string{true: "USER ", false: "ROLE "}[n.User], ifWords(n.IfNotExists, "IF NOT EXISTS "))
		p.id(n.Name)
		p.roleOptions(n.Options)
	case *AlterRole:
		p.s("ALTER ROLE ", ifWords(n.All, "ALL"))
		p.optID("", n.Name)
		p.optID(" IN DATABASE ", n.Database)
		p.roleOptions(n.Options)
		p.setOrReset(n.Set, n.Reset)
	case *RoleOption:
		p.roleOption(n)
	case *DropRole:
		p.s("DROP ROLE ", ifWords(n.IfExists, "IF EXISTS "))
		p.ids(n.Names)
	case *Grant:
		p.grant(n)
	case *Privilege:
		p.s(n.Name)
		p.columns(n.Columns)
	case *GrantRole:
		p.s(map[bool]string{true: "REVOKE ", false: "GRANT "}[n.Revoke], ifWords(n.OptionFor, "ADMIN OPTION FOR "))
		p.ids(n.Granted)
		p.grantTail(n.Revoke, n.Roles, ifWords(n.WithOption, " WITH ADMIN OPTION"), n.GrantedBy, n.Behavior)
	default:
		return false
	}
	return true
}

func (p *printer) roleOptions(list []*RoleOption) {
	for _, o := range list {
		p.s(" ")
		p.node(o)
	}
}

func (p *printer) roleOption(o *RoleOption) {
	p.s(ifWords(o.No, "NO"), upperWords(o.Name))
	switch {
	case o.Roles != nil:
		p.s(" ")
		p.ids(o.Roles)
	case o.Value != nil:
		p.s(" ")
		p.expr(o.Value)
	case o.Name == "password":
		p.s(" NULL")
	}
}

func (p *printer) grant(n *Grant) {
	p.s(map[bool]string{true: "REVOKE ", false: "GRANT "}[n.Revoke], ifWords(n.OptionFor, "GRANT OPTION FOR "))
	if n.AllOf {
		p.s("ALL PRIVILEGES")
		for _, priv := range n.Privileges {
			p.columns(priv.Columns)
		}
	} else {
		nodes(p, n.Privileges)
	}
	if n.InSchema {
		p.s(" ON ALL ", string(n.Kind), "S IN SCHEMA ")
	} else {
		p.s(" ON ", string(n.Kind), " ")
	}
	for i, name := range n.Names {
		p.opt(i > 0, ", ")
		p.name(name)
		if i < len(n.Args) {
			p.argumentTypes(n.Kind, n.Args[i])
		}
	}
	p.grantTail(n.Revoke, n.Roles, ifWords(n.WithOption, " WITH GRANT OPTION"), n.GrantedBy, n.Behavior)
}

func (p *printer) grantTail(revoke bool, roles []Ident, option string, by Ident, b Behavior) {
	p.s(map[bool]string{true: " FROM ", false: " TO "}[revoke])
	p.ids(roles)
	p.s(option)
	p.optID(" GRANTED BY ", by)
	p.behavior(b)
}
