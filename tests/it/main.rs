//! Journeys through the front door: an event goes in, jobs drain, what was posted and stored is looked at.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod answers;
mod api;
mod browser;
mod commands;
mod configuration;
mod conformance;
mod conversation;
mod crash;
mod discord;
mod duty;
mod feedback;
mod files;
mod fulfilment;
mod knowledge;
mod migrations;
mod orders;
mod outage;
mod outcomes;
mod outside;
mod people;
mod requests;
mod review;
mod review_browser;
mod safety;
mod services;
mod slack;
mod store;
mod support;
mod surveys;
mod terminal;
mod tidy;
mod trackers;
mod web;
