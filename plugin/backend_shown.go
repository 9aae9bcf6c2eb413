package main

import "net/url"

// cookieUser is the name under which bitcoind takes what is in its cookie file.
const cookieUser = "__cookie__"

// backendShown are the options by which bitcoind is found, as they may be shown:
// what is printed is copied into logs and reports, and a password must not be. One
// out of the cookie file is void after bitcoind's next start, too: the file is
// what to name.
func backendShown(r raw) (list []string) {
	node, cookie := r["bitcoind"], r["bitcoind-cookie"]
	if u, err := url.Parse(node); err == nil && u.User != nil {
		if u.User.Username() == cookieUser {
			u.User, cookie = nil, "FILE"
		} else if _, given := u.User.Password(); given {
			u.User = url.UserPassword(u.User.Username(), "PASSWORD")
		}
		node = u.String()
	}
	if node != "" {
		list = append(list, "--bitcoind="+node)
	}
	if cookie != "" {
		list = append(list, "--bitcoind-cookie="+cookie)
	}
	return list
}
