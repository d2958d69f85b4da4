//! Journeys through the front door: an event goes in, jobs drain, what was posted and stored is looked at.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod answers;
mod api;
mod backlog;
mod browser;
mod clusters;
mod commands;
mod configuration;
mod conformance;
mod conversation;
mod crash;
mod demo;
mod digest;
mod discord;
mod duty;
mod feedback;
mod files;
mod fulfilment;
mod knowledge;
mod migrations;
mod models;
mod numbers;
mod oidc;
mod orders;
mod outage;
mod outcomes;
mod outside;
mod people;
mod requests;
mod review;
mod review_browser;
mod review_insight;
mod safety;
mod services;
mod slack;
mod statements;
mod store;
mod support;
mod surveys;
mod terminal;
mod tidy;
mod trackers;
mod web;
