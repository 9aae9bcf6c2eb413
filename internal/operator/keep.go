package operator

var keepMethods []Method
